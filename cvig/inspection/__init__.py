"""Is a data set on disk what it should be?"""
