"""What can be configured of the database: where it is, and how foliod connects to it."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator, model_validator

from foliod.base.values import EMBEDDED, AbsolutePath, Section


class Database(Section):
    """`[database]`."""

    url: SecretStr = SecretStr(EMBEDDED)
    pooled: bool | None = None
    """Whether a pooler such as PgBouncer stands before the server; None finds out."""
    pool_size: int = Field(default=8, ge=2, le=100)
    shared_buffers_mb: int = Field(default=128, ge=16)
    """Only for the embedded server."""
    url_file: AbsolutePath | None = None
    """A file that holds the url, so that the password need not stand in the configuration."""
    direct_url: SecretStr | None = None
    """Where `url` leads through a pooler: the same database without it, for migrations, indexes, checks and backups."""
    direct_url_file: AbsolutePath | None = None
    """A file that holds the direct_url."""

    @property
    def direct(self) -> str:
        """The address for what takes long or needs a session of its own."""
        return (self.direct_url or self.url).get_secret_value()

    @property
    def embedded(self) -> bool:
        """Whether foliod runs PostgreSQL itself."""
        return self.url.get_secret_value() == EMBEDDED

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url != EMBEDDED and not url.startswith(("postgresql://", "postgres://")):
            msg = 'must be "embedded" or start with postgresql://'
            raise ValueError(msg)
        return value

    @field_validator("direct_url")
    @classmethod
    def _known_direct_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            msg = "must start with postgresql://"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _direct_to_the_same(self) -> Database:
        if self.direct_url is not None and self.embedded:
            msg = "direct_url goes with a url of your own server; leave it out"
            raise ValueError(msg)
        return self
