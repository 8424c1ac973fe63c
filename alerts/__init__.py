"""What happens once a rule has fired: incidents, notices, metrics, the desk page."""
