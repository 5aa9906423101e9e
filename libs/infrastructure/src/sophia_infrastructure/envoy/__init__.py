"""Envoy as the `Traffic` port: `config` says what its files hold, `admin` what it tells, `proxy` runs it, `traffic`
switches."""

from sophia_infrastructure.envoy.traffic import EnvoyTraffic

__all__ = ["EnvoyTraffic"]
