"""What happens once a rule has fired: incidents, notices, metrics, the desk page.

`consumer` reads findings from Kafka, `service` applies them: `incidents` groups, `notify` decides, `outbox` and `store`
keep, `delivery` carries each notice through its channel in `channels`; `desk` is the page. A new channel is one file in
`channels`, opened in `command`.
"""

__all__ = ["formats"]
