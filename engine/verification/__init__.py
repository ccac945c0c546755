"""Verification: whether all that a workspace holds is what was written, and what depends on what is not."""

from gapscope.verification.workspace import Finding, Verified, verify_workspace

__all__ = ["Finding", "Verified", "verify_workspace"]
