"""`python -m app` is the command `evident`."""

from app.cli import main

raise SystemExit(main())
