"""The catalogue of what foliod writes to its log: every event, its level, its meaning, its fields and their units.

A field means the same in all events. Tests hold the code and the catalogue together in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "path", "integer", "number", "boolean", "texts", "integers", "object"]
"""What a field holds; "path" is a text, "texts" and "integers" are lists."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `unit` is empty for what has none; what is `measured` does not tell two events apart."""

    kind: Kind
    meaning: str
    unit: str = ""
    measured: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """An event: `levels` by which it is written, names of the fields that it always has, and of those that it may have.

    Of what is told `each` time no repeat is left out, unless its `status` tells of a failure.
    """

    levels: str
    meaning: str
    fields: str = ""
    optional: str = ""
    each: bool = False

    @property
    def required(self) -> frozenset[str]:
        """The fields that it always has."""
        return frozenset(self.fields.split())

    @property
    def allowed(self) -> frozenset[str]:
        """The fields that it may have."""
        return frozenset(f"{self.fields} {self.optional}".split())


def _count(meaning: str) -> Field:
    return Field("integer", meaning, measured=True)


ALWAYS: dict[str, Field] = {
    "event": Field("text", "which event"),
    "level": Field("text", "debug, info, warning or error"),
    "logger": Field("text", "the module that tells it"),
    "timestamp": Field("text", "when, in UTC", "ISO 8601"),
}
"""What every line has."""

BOUND: dict[str, Field] = {
    "request_id": Field("text", "the request that it belongs to (header X-Request-Id)"),
    "trace_id": Field("text", "the trace of the caller (header traceparent)", "32 hexadecimal digits"),
    "span_id": Field("text", "the caller's span (header traceparent)", "16 hexadecimal digits"),
    "document": Field("integer", "the document that it belongs to"),
    "sha256": Field("text", "the beginning of its content's SHA-256", "12 hexadecimal digits"),
    "document_ids": Field("integers", "the documents that it belongs to"),
    "space": Field("integer", "the set of vectors that it belongs to"),
    "exception": Field("text", "what went wrong inside foliod and where, without the content of documents"),
    "stack": Field("text", "where it was told"),
}
"""What any line may have: work on a request or a document carries its ids."""

CORRELATION = frozenset({"request_id", "trace_id", "span_id"})
"""Fields that say which request a line belongs to, and not what it is about."""

FIELDS: dict[str, Field] = {
    "a_hostile_pdf_could": Field("text", "what the sandbox of readers does not prevent here"),
    "accounts": Field("texts", "users and groups"),
    "addresses": Field("texts", "where the daemon listens"),
    "added": Field("texts", "folders that are watched from now on"),
    "alike": Field("boolean", "whether two builds of a model give the same vectors"),
    "answer": Field("text", "the answer; withheld unless [log] content is true"),
    "back": _count("files that are there again"),
    "bytes": Field("integer", "size of the file", "bytes", measured=True),
    "causes": Field("object", "how many lines were dropped, by cause", measured=True),
    "changed_pages": _count("pages that read differently now"),
    "characters": _count("characters of text"),
    "chunks": _count("passages made of the document"),
    "citations": _count("citations of the answer"),
    "code": Field("text", "the kind of the error, as clients get it"),
    "configured": Field("text", "the model that the configuration names"),
    "confinement": Field("text", "what holds the readers"),
    "context": Field("integer", "what the model takes at once", "tokens"),
    "cosine": Field("number", "the smallest cosine between vectors of the same text", measured=True),
    "counters": Field("object", "all counts since the start"),
    "database": Field("text", "host and database, without a password"),
    "deaths": _count("abnormal ends of its readers so far"),
    "described": Field("integer", "numbers in a vector, as Ollama describes the model"),
    "dimensions": Field("integer", "numbers in a vector"),
    "documents": _count("how many documents"),
    "error": Field("text", "what went wrong"),
    "file": Field("path", "the file"),
    "file_system": Field("text", "kind of the file system", nullable=True),
    "files": _count("how many files"),
    "folder": Field("path", "the folder", nullable=True),
    "generator": Field("text", "ollama or quotes: what made the answer"),
    "given_up": Field("boolean", "whether it is not tried again"),
    "gone": _count("files that are missing"),
    "hits": _count("passages found"),
    "host": Field("text", "a host's name in the shared store"),
    "how": Field("text", "how it happened or ended"),
    "languages": Field("texts", "Tesseract's codes of languages"),
    "lines": _count("how many lines of the log"),
    "keys": Field("texts", "keys of the configuration"),
    "line": Field("text", "a line that a child process wrote"),
    "method": Field("text", "the HTTP method"),
    "mode": Field("text", "hybrid, keyword or vector: how was searched"),
    "model": Field("text", "the model", nullable=True),
    "moved_from": Field("path", "where the file lay before"),
    "ms": Field("number", "how long it took", "milliseconds", measured=True),
    "name": Field("text", "the name of the migration"),
    "note": Field("text", "why it is less than was asked for, or what OCR lacks", nullable=True),
    "number": Field("integer", "the number of the migration"),
    "of": Field("text", "the event that was repeated"),
    "page": Field("integer", "the page, from 1", nullable=True),
    "pages": _count("how many pages"),
    "parts": _count("how many parts a text was divided into"),
    "path": Field("path", "the path of a file or folder; of a request, its path", nullable=True),
    "paths": Field("texts", "where its files lay"),
    "peer": Field("text", "the client's address", nullable=True),
    "pid": Field("integer", "the process", measured=True),
    "program": Field("text", "the program of a child process"),
    "query": Field("text", "what was searched for; withheld unless [log] content is true"),
    "question": Field("text", "what was asked; withheld unless [log] content is true"),
    "reason": Field("text", "why", nullable=True),
    "removed": Field("texts", "folders that are watched no more"),
    "restarted": Field("texts", "folders whose options changed: they are looked through anew"),
    "resumed_after": _count("pages that were stored by an earlier attempt"),
    "root": Field("path", "the watched folder"),
    "roots": Field("texts", "the watched folders"),
    "said": Field("text", "the kind of error that a reader named last"),
    "same_as": Field("path", "where the same content lies too"),
    "schema": Field("integer", "the number of the newest migration"),
    "seconds": Field("number", "how long, or how long is waited", "seconds", measured=True),
    "signal": Field("text", "the signal"),
    "state": Field("text", "the state of the document or of the watched folder", nullable=True),
    "state_dir": Field("path", "the state folder"),
    "status": Field("integer", "the HTTP status"),
    "subject": Field("object", "the fields that were the same"),
    "task": Field("text", "the part of the daemon"),
    "tasks": Field("texts", "parts of the daemon"),
    "texts": _count("how many passages"),
    "threads": Field("texts", "threads that did not end"),
    "times": _count("how often more"),
    "timings_ms": Field("object", "how long each stage took", "milliseconds", measured=True),
    "to": Field("path", "where it was copied to"),
    "to_read": _count("files that are new or changed"),
    "took_ms": Field("number", "how long the search took", "milliseconds", measured=True),
    "uid": Field("integer", "the client's user"),
    "verdict": Field("text", "what became of the page"),
    "version": Field("text", "the version"),
    "why": Field("text", "why it matters"),
    "worker": Field("integer", "the process that reads", measured=True),
}

# fmt: off
EVENTS: dict[str, Event] = {
    # --- the daemon's life ---
    "starting": Event("info", "The daemon starts.", "version pid state_dir"),
    "listening": Event("info", "Clients can connect.", "addresses"),
    "ready": Event("info", "The database is open and the folders are watched.", "roots database"),
    "waiting": Event("warning", "A part of the daemon waits for the database or Ollama, and tries again.", "task reason seconds"),
    "resumed": Event("info", "The daemon was stopped (SIGSTOP) and goes on: all folders are looked through.", "reason"),
    "socket_elsewhere": Event("warning", "The service manager's socket is not where commands look.", "addresses reason"),
    "reloaded": Event("info", "The configuration was read again; these keys changed.", "keys", each=True),
    "restart_needed": Event("warning", "Keys of the configuration wait for a restart.", "keys reason", each=True),
    "reload_failed": Event("error", "The configuration is wrong; the old one stays in force.", "reason why", each=True),
    "roots_changed": Event("info", "Other folders are watched now.", "added removed restarted", each=True),
    "task_stuck": Event("error", "A part of the daemon waits for what does not come.", "task seconds why"),
    "task_moves_again": Event("info", "A part that was stuck goes on.", "task seconds"),
    "terminal_closed": Event("info", "The terminal of the daemon was closed, which ends it."),
    "stopping": Event("info", "The daemon was told to stop.", "counters"),
    "stopped": Event("info error", "The daemon has stopped; at level error: it could not start, or broke.", "", "seconds code reason"),
    "stopped_at_once": Event("warning", "A second signal ended the daemon without waiting.", "signal"),
    "not_drained": Event("error", "Work did not end in time; the daemon ended all the same.", "tasks seconds"),
    "threads_left": Event("warning", "Threads hang in a file system; the daemon ended all the same.", "threads"),
    "connection_ended": Event("info", "A connection to PostgreSQL ended before it could be closed.", "reason"),
    "query_lost": Event("info", "A connection to PostgreSQL ended just when a query was given up.", "reason"),
    "broken": Event("error", "Something broke the daemon, which ends.", "", "code reason"),
    "repeated": Event("debug info warning error", "Lines that said the same were left out; this is how many more.", "of times seconds subject"),
    "logs_wait": Event("warning", "Better Stack does not take the log; lines wait, and are dropped when there are too many.", "reason"),
    "logs_go_on": Event("info", "Better Stack takes the log again; this many lines so far.", "lines"),
    "logs_dropped": Event("warning", "Lines were dropped that Better Stack did not get; `causes` counts all since start.", "lines causes"),
    # --- PostgreSQL ---
    "postgres_made": Event("info", "The embedded database was made.", "folder ms"),
    "postgres_started": Event("info", "The embedded PostgreSQL runs.", "pid ms"),
    "postgres_copied": Event("info", "PostgreSQL was copied to where its user can read it.", "to why"),
    "postgres_leftover_stopped": Event("warning", "A PostgreSQL that an earlier daemon left behind was stopped.", "pid signal"),
    "postgres_died": Event("error", "The embedded PostgreSQL ended and is started again.", "how"),
    "postgres_restarted": Event("info", "The embedded PostgreSQL runs again.", "ms"),
    "postgres_not_restarted": Event("error", "The embedded PostgreSQL can't be started; it is tried again.", "reason seconds"),
    "cleaned_up": Event("info", "The embedded PostgreSQL was cleaned up after a crash.", "reason ms"),
    "not_cleaned_up": Event("warning", "The embedded PostgreSQL could not be cleaned up after a crash; autovacuum goes on.", "reason"),
    "child_said": Event("debug", "A line of a child process.", "program pid line"),
    "migrated": Event("info", "The schema was brought up to date by one step.", "number name"),
    "database_not_verified": Event("warning", "Who answers as the database on the network is not checked.", "database why"),
    "pgvector_should_be_updated": Event("warning", "This pgvector has a known fault.", "version why"),
    "database_away": Event("error", "The database does not answer; everything waits for it.", "reason"),
    "database_still_away": Event("warning", "The database is away for another reason now.", "reason"),
    "database_back": Event("info", "The database answers again.", "seconds"),
    "lease_not_extended": Event("warning", "Claims on documents could not be extended.", "error documents"),
    "lease_lost": Event("warning", "Another daemon took a document over; what was done here is dropped.", "", "reason document_ids"),
    "host_forgotten": Event("warning", "The shared store was made to forget this host, which runs all the same.", "host why"),
    "schema_newer": Event("warning", "A newer foliod has changed the schema of the shared store.", "schema why"),
    # --- folders and files ---
    "watch_waiting": Event("warning", "A watched folder is not there, or can't be reached; it is waited for.", "root reason"),
    "watch_polling": Event("info", "A folder sends no events and is looked through at an interval.", "root file_system seconds"),
    "watch_broken": Event("warning", "A folder can't be watched; it is looked through instead.", "root reason seconds"),
    "watch_renewed": Event("info", "A folder is watched anew.", "root reason"),
    "swept": Event("info debug", "A folder was compared with the store.", "root files to_read gone back ms"),
    "root_state": Event("info warning", "A watched folder is in another state now.", "root state reason"),
    "root_not_watched": Event("warning", "A folder is in the store that is watched no more.", "root files reason"),
    "root_forgotten": Event("info", "What was missing from a folder was forgotten, as asked.", "root files"),
    "restriction_ended": Event("warning", "A restricted folder is a part of another watched one now.", "folder reason"),
    "file_seen": Event("info", "A file with new content.", "file document bytes"),
    "file_known": Event("info", "A file whose content was known.", "file document"),
    "file_touched": Event("debug", "A file changed, its content did not.", "file document"),
    "file_moved": Event("info", "A file was moved.", "file document moved_from"),
    "file_duplicate": Event("info", "A file with the content of another one.", "file document same_as"),
    "file_unfinished": Event("info", "A file is still being written; it is waited for.", "file reason"),
    "file_unread": Event("warning", "A file can't be read.", "file reason"),
    "file_failed": Event("error", "foliod failed on a file.", "file"),
    "file_ignored": Event("warning", "This is no file to read.", "path reason"),
    "folder_unreadable": Event("warning", "A folder can't be listed.", "path reason"),
    "file_gone": Event("info", "A file is missing; it leaves the answers after the grace period.", "file"),
    "files_gone": Event("info", "More files are missing than are told one by one; this is how many in all.", "root files"),
    "file_back": Event("info", "A missing file is there again.", "file"),
    "document_forgotten": Event("info", "A document without files was removed.", "document paths"),
    "retry_asked": Event("info", "A client asked to read documents again.", "documents path"),
    # --- reading ---
    "sandbox": Event("info", "What holds the processes that read PDFs.", "confinement"),
    "sandbox_incomplete": Event("warning", "The kernel lacks something that holds the readers.", "confinement a_hostile_pdf_could"),
    "worker_started": Event("debug", "A process that reads PDFs was started.", "worker confinement"),
    "worker_killed_at_start": Event("warning", "Somebody killed a reader while it started; another one is started."),
    "worker_died": Event("warning", "A reader died.", "worker how said"),
    "worker_broke_out": Event("error", "A reader tried what reading never needs: the PDF may be an attack.", "worker file"),
    "reader_unavailable": Event("error", "No reader can be started; reading waits.", "reason seconds"),
    "document_read": Event("info", "A document was read; keyword search finds it.", "file pages resumed_after chunks ms"),
    "document_refused": Event("warning", "A document can't be read.", "state reason"),
    "document_postponed": Event("info", "A file changed or can't be opened; its document waits.", "reason seconds"),
    "attempt_failed": Event("warning", "A reader ended abnormally at a document.", "reason state page deaths"),
    "attempt_crashed": Event("error", "foliod failed on a document."),
    "document_renewed": Event("info", "A document was read again by a newer extractor.", "file pages changed_pages ms"),
    "document_not_renewed": Event("warning", "A document could not be read again; it stays as it was.", "reason"),
    "renewal_crashed": Event("error", "foliod failed while it read a document again."),
    "passwords_file": Event("warning", "A file of passwords can't be used.", "reason"),
    "passwords_file_readable": Event("info", "A file of passwords can be used again.", "file"),
    "passwords_changed": Event("info", "A file of passwords changed; locked documents are tried again.", "documents"),
    "ocr": Event("info", "Whether scanned pages can be recognised, and with what.", "folder languages note"),
    "page_recognised": Event("info", "A scanned page was recognised.", "page verdict characters ms"),
    "document_recognised": Event("info", "All scanned pages of a document are recognised.", "file pages chunks"),
    "ocr_failed": Event("warning", "A page could not be recognised.", "page reason given_up"),
    "ocr_postponed": Event("warning", "A document can't be recognised now.", "reason seconds"),
    "ocr_broken": Event("error", "Tesseract can't be started.", "reason"),
    "ocr_crashed": Event("error", "foliod failed while it recognised a document."),
    "recognised_not_written": Event("warning", "Recognised pages could not be made searchable.", "reason given_up"),
    # --- vectors ---
    "embedding_model": Event("info", "What is known of the embedding model.", "model dimensions context"),
    "dimensions_differ": Event("warning", "A model gives other vectors than Ollama describes.", "model described dimensions"),
    "embedding_retried": Event("info", "A batch failed and is tried again.", "error seconds"),
    "batch_gave_way": Event("info", "A batch was broken off for a question.", "texts seconds"),
    "text_refused": Event("warning", "The model refuses a passage; keyword search finds it.", "reason"),
    "text_embedded_in_parts": Event("info", "A passage was too long for the model and embedded in parts.", "parts characters"),
    "vectors_wait": Event("warning", "Nothing can be embedded; vectors wait.", "reason seconds"),
    "vectors_go_on": Event("info", "Vectors are made again.", "seconds"),
    "documents_ready": Event("info", "Documents got their vectors; they are found by meaning.", "document_ids texts ms"),
    "build_changed": Event("warning", "Ollama has another build of the model than the one that made the vectors.", "reason"),
    "builds_compared": Event("info", "Stored vectors were compared with those of another build.", "model texts cosine alike"),
    "model_asked_for": Event("info", "Another embedding model was asked for.", "model how"),
    "model_of_the_store": Event("warning", "The store uses another model than the configuration.", "model configured reason"),
    "space_begun": Event("info", "Everything is embedded anew.", "space model dimensions"),
    "space_indexed": Event("info", "The index of new vectors is built.", "space ms"),
    "space_activated": Event("info", "Questions use these vectors from now on.", "space model dimensions"),
    "space_dropped": Event("info", "Vectors of an old model were removed.", "space model"),
    # --- requests ---
    "request": Event("debug info", "A request was answered; 499: its client hung up.", "method path status ms", "uid peer", each=True),
    "request_failed": Event("info warning", "A request could not be answered; at level info: it waited as long as its client wanted.", "code reason"),
    "request_crashed": Event("error", "foliod failed at a request."),
    "request_malformed": Event("info", "What came was no HTTP request.", "status reason"),
    "connection_refused": Event("warning", "A connection was closed at once: too many are open.", "reason", "uid peer"),
    "connection_closed": Event("debug", "A connection was closed on which no request came.", "reason"),
    "client_refused": Event("warning", "A user, an address, a wrong token or a page of another address may not enter.", "reason", "uid peer"),
    "accounts_unknown": Event("warning", "The configuration names users or groups that there are not.", "accounts reason"),
    "accounts_not_seen": Event("warning", "Users and groups of this machine can't be looked up.", "reason"),
    "token_renewed": Event("info", "The token of the localhost door is another one now.", "file"),
    "token_unusable": Event("warning", "The file of the token can't be used; nobody enters by the localhost door.", "reason"),
    "searched": Event("info", "A search was answered.", "query mode hits took_ms timings_ms note", each=True),
    "answered": Event("info", "A question was answered.", "question answer generator model mode citations timings_ms note", each=True),
    "question_not_embedded": Event("info", "A question was searched for by keyword only.", "error"),
    "question_not_rewritten": Event("info", "A question was searched for together with the one before it.", "reason"),
    "citations_not_checked": Event("warning", "The quotes of an answer could not be checked.", "reason"),
    "stream_broken": Event("warning", "An answer broke off; the client was told.", "code reason"),
    "stream_failed": Event("error", "foliod failed in the middle of an answer."),
    "client_gone": Event("info", "A client hung up in the middle of an answer.", "reason"),
    "file_not_sent": Event("warning", "A file could not be sent to its end.", "file reason"),
}
# fmt: on


def is_measure(key: str) -> bool:
    """Whether a field only measures, so that lines which differ in it alone tell the same."""
    return key in FIELDS and FIELDS[key].measured
