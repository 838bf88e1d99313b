"""The asyncio shell: it observes, asks the engine, writes down what was decided, acts, and tells."""
