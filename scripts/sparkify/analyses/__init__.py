"""Run the analyses, and compare their answers with the expected ones."""
