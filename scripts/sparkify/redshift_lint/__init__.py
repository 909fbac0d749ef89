"""Find SQL that Redshift refuses."""
