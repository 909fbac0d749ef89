"""Build the models, and compare a build with an earlier one."""
