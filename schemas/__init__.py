"""What crosses a disk boundary: tables and manifests, described in `SPEC.md`; no logic lives here."""

SPEC_VERSION = 2
