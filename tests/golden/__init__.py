"""Answers of commit d21ec04 to fixed questions, and the means to compare today's with them."""
