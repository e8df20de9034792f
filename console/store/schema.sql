CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE token (
	num INTEGER NOT NULL,
	handle VARCHAR NOT NULL,
	backend VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	ref VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	name_key VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	state VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	owner_how VARCHAR NOT NULL,
	owner VARCHAR,
	owner_key VARCHAR,
	principal_how VARCHAR NOT NULL,
	principal VARCHAR,
	created_how VARCHAR NOT NULL,
	created_at INTEGER,
	used_how VARCHAR NOT NULL,
	used_at INTEGER,
	used_key INTEGER,
	used_from VARCHAR,
	expires_how VARCHAR NOT NULL,
	expires_at INTEGER,
	expires_key INTEGER,
	grants_how VARCHAR NOT NULL,
	grants INTEGER,
	first_seen INTEGER NOT NULL,
	appeared_at INTEGER,
	last_seen INTEGER,
	read_at INTEGER,
	gone_at INTEGER,
	changed_at INTEGER NOT NULL,
	change VARCHAR NOT NULL,
	digest BLOB NOT NULL,
	hay VARCHAR NOT NULL,
	grant_text VARCHAR NOT NULL,
	owner_from VARCHAR DEFAULT '' NOT NULL,
	owner_gone VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (num)
);
CREATE UNIQUE INDEX ix_token_handle ON token (handle);
CREATE INDEX ix_token_name ON token (name_key);
CREATE INDEX ix_token_backend ON token (backend, name_key);
CREATE INDEX ix_token_owner ON token (owner_key, name_key);
CREATE INDEX ix_token_status ON token (status, name_key);
CREATE INDEX ix_token_kind ON token (kind, name_key);
CREATE INDEX ix_token_created ON token (created_at);
CREATE INDEX ix_token_used ON token (used_key);
CREATE INDEX ix_token_expires ON token (expires_key);
CREATE INDEX ix_token_grants ON token (grants);
CREATE INDEX ix_token_changed ON token (changed_at);
CREATE VIRTUAL TABLE token_fts USING fts5(hay, grant_text, content='token', content_rowid='num', columnsize=0, tokenize='trigram case_sensitive 1');
CREATE VIRTUAL TABLE token_terms USING fts5vocab(token_fts, row);
CREATE TABLE document (
	num INTEGER NOT NULL,
	doc BLOB NOT NULL,
	kept BLOB,
	PRIMARY KEY (num)
);
CREATE TABLE change (
	id INTEGER NOT NULL,
	token INTEGER NOT NULL,
	at INTEGER NOT NULL,
	kind VARCHAR NOT NULL,
	field VARCHAR NOT NULL,
	"before" VARCHAR NOT NULL,
	"after" VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_change_token ON change (token);
CREATE TABLE backend (
	name VARCHAR NOT NULL,
	type VARCHAR NOT NULL,
	result VARCHAR NOT NULL,
	error VARCHAR NOT NULL,
	hint VARCHAR NOT NULL,
	tried_at INTEGER,
	synced_at INTEGER,
	running_pid INTEGER,
	skew_ms INTEGER,
	capabilities BLOB,
	tokens INTEGER NOT NULL,
	gone INTEGER NOT NULL,
	events_since INTEGER,
	events_until INTEGER,
	event_at INTEGER,
	PRIMARY KEY (name)
);
CREATE TABLE gap (
	id INTEGER NOT NULL,
	backend VARCHAR NOT NULL,
	part VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	what VARCHAR NOT NULL,
	hint VARCHAR NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_gap_backend ON gap (backend);
CREATE TABLE scope (
	backend VARCHAR NOT NULL,
	scope VARCHAR NOT NULL,
	done_at INTEGER NOT NULL,
	seen INTEGER NOT NULL,
	PRIMARY KEY (backend, scope)
);
CREATE TABLE event (
	"key" INTEGER NOT NULL,
	backend VARCHAR NOT NULL,
	event_id VARCHAR NOT NULL,
	at INTEGER NOT NULL,
	action VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	handle VARCHAR,
	ref_kind VARCHAR,
	ref_id VARCHAR,
	actor VARCHAR NOT NULL,
	target VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	agent VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	detail VARCHAR NOT NULL,
	class VARCHAR DEFAULT '' NOT NULL,
	effect VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY ("key")
);
CREATE INDEX ix_event_token ON event (handle, at);
CREATE INDEX ix_event_at ON event (at);
CREATE TABLE sealed (
	"key" INTEGER NOT NULL,
	seal VARCHAR NOT NULL,
	PRIMARY KEY ("key")
);
CREATE INDEX ix_sealed_seal ON sealed (seal);
CREATE TABLE use_hour (
	handle VARCHAR NOT NULL,
	hour INTEGER NOT NULL,
	uses INTEGER NOT NULL,
	PRIMARY KEY (handle, hour)
)
 WITHOUT ROWID;
CREATE TABLE rollup (
	handle VARCHAR NOT NULL,
	backend VARCHAR NOT NULL,
	slot INTEGER NOT NULL,
	class VARCHAR NOT NULL,
	outcome VARCHAR NOT NULL,
	uses INTEGER NOT NULL,
	PRIMARY KEY (handle, backend, slot, class, outcome)
)
 WITHOUT ROWID;
CREATE TABLE log_source (
	name VARCHAR NOT NULL,
	backend VARCHAR NOT NULL,
	type VARCHAR NOT NULL,
	covers_since INTEGER,
	covers_until INTEGER,
	last_at INTEGER,
	read_at INTEGER,
	events INTEGER NOT NULL,
	bad INTEGER NOT NULL,
	ahead_ms INTEGER NOT NULL,
	back_ms INTEGER NOT NULL,
	error VARCHAR NOT NULL,
	hint VARCHAR NOT NULL,
	covers VARCHAR DEFAULT '' NOT NULL,
	named INTEGER DEFAULT '0' NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE log_position (
	source VARCHAR NOT NULL,
	file VARCHAR NOT NULL,
	state BLOB NOT NULL,
	PRIMARY KEY (source, file)
)
 WITHOUT ROWID;
CREATE TABLE log_hole (
	id INTEGER NOT NULL,
	source VARCHAR NOT NULL,
	backend VARCHAR NOT NULL,
	since INTEGER,
	until INTEGER,
	kind VARCHAR NOT NULL,
	what VARCHAR NOT NULL,
	hint VARCHAR NOT NULL,
	file VARCHAR DEFAULT '' NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_log_hole_backend ON log_hole (backend);
CREATE TABLE log_name (
	alias VARCHAR NOT NULL,
	backend VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	handle VARCHAR,
	PRIMARY KEY (alias)
)
 WITHOUT ROWID;
CREATE INDEX ix_log_name_handle ON log_name (handle);
CREATE TABLE log_learned (
	source VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	value VARCHAR NOT NULL,
	PRIMARY KEY (source, "key")
)
 WITHOUT ROWID;
CREATE TABLE node (
	num INTEGER NOT NULL,
	side VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	kind_rank INTEGER NOT NULL,
	name VARCHAR NOT NULL,
	place VARCHAR NOT NULL,
	PRIMARY KEY (num)
);
CREATE UNIQUE INDEX ix_node_key ON node (side, "key");
CREATE TABLE link (
	a INTEGER NOT NULL,
	b INTEGER NOT NULL,
	kind VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	seen INTEGER,
	times INTEGER NOT NULL,
	confidence INTEGER NOT NULL,
	detail VARCHAR NOT NULL,
	PRIMARY KEY (a, b, kind, source, origin)
)
 WITHOUT ROWID;
CREATE INDEX ix_link_back ON link (b, a);
CREATE INDEX ix_link_origin ON link (origin, a);
CREATE TABLE linked (
	num INTEGER NOT NULL,
	digest BLOB NOT NULL,
	PRIMARY KEY (num)
);
CREATE TABLE link_source (
	name VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	at INTEGER,
	found INTEGER NOT NULL,
	problem VARCHAR NOT NULL,
	hint VARCHAR NOT NULL,
	mark VARCHAR NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE claim (
	id INTEGER NOT NULL,
	handle VARCHAR NOT NULL,
	owner VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	how VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	at INTEGER,
	entry VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_claim_handle ON claim (handle);
CREATE INDEX ix_claim_origin ON claim (origin);
CREATE TABLE departed (
	"key" VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	how VARCHAR NOT NULL,
	PRIMARY KEY ("key", origin)
);
CREATE TABLE fingerprint (
	print VARCHAR NOT NULL,
	handle VARCHAR NOT NULL,
	origin VARCHAR NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (print, handle)
)
 WITHOUT ROWID;
CREATE TABLE mark (
	name VARCHAR NOT NULL,
	value INTEGER NOT NULL,
	PRIMARY KEY (name)
);
INSERT INTO alembic_version (version_num) VALUES ('0001');
INSERT INTO mark (name, value) VALUES ('generation', 1);
PRAGMA user_version = 6;
