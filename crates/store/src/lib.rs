//! SQL lives here only: SQLite and PostgreSQL behind one API, chats sealed per account
