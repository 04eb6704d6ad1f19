"""Printed tables of recalls: which counts they can stand for, which size explains them, what is chance."""
