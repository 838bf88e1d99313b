"""Unit tests of rule files as people write them: `*.test.yaml`, read and checked; they are run by `sentinel.app`."""
