"""Find SQL that Redshift rejects."""
