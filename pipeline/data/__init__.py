"""What was understood of a data set: facts, text and a sheet of pictures to look at."""
