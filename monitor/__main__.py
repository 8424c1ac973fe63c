"""``python -m monitor`` is ``sorwatch``."""

from monitor.cli import main

raise SystemExit(main())
