"What is built from the lessons: the stages with their recipes, models kept in files, the drawing pad, the command."
