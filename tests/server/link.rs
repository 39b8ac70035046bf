//! Links for export.
