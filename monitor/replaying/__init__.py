"""Parts of ``sorwatch replay``: reading reports from files in order, feeding the engine, writing what came of it."""
