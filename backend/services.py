"""The backend put together: store, engine and jobs of one process."""

from __future__ import annotations

from app.settings import Settings
from backend.engine import Spool, create_engine
from backend.jobs.service import Jobs
from backend.store import Blobs, Store


class Services:
    """What the routes are given. Starting it starts the workers; nothing here imports torch."""

    def __init__(self, settings: Settings, plugins: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self.store = Store(settings.database_url, settings.data)
        self.blobs: Blobs = self.store.blobs
        self.spool = Spool(settings.data.resolve() / "spool")
        self.engine = create_engine(settings, plugins)
        self.jobs = Jobs(self.store, self.engine, self.spool, settings.limits)

    async def start(self) -> None:
        """Opens the store, brings its tables up to date, starts workers and dispatcher."""
        self.engine.start()
        await self.store.run(self.store.migrate)
        await self.store.run(self.store.clean)
        await self.jobs.start()

    def ready(self) -> bool:
        """Workers answer."""
        return self.engine.ready()

    async def stop(self) -> None:
        await self.store.run(self.engine.stop)
        await self.jobs.stop()
        self.store.close()
