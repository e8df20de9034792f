"""OpenBao and HashiCorp Vault."""

from backends.openbao.backend import OpenBao

__all__ = ["OpenBao"]
