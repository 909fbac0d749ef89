"""Create, change and delete the warehouse in AWS."""
