//! The bounds of rendering, each with its reason. They bound what a hostile answer, prompt or title can make a server spend.

/// A text longer than this, in bytes, is shown as plain text: nobody reads it, and rendering it would only cost.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Elements inside elements. What lies deeper keeps its text and loses its form.
pub(crate) const DEPTH_MAX: usize = 24;
/// Quotes inside quotes on one line; further `>` are text.
pub(crate) const QUOTES_MAX: usize = 12;
/// Columns of a table; a wider one stays text.
pub(crate) const COLUMNS_MAX: usize = 64;
/// Cells that short rows leave to be filled in, in one text. A thousand columns and a thousand rows of one sign are a bomb.
pub(crate) const MISSING_CELLS_MAX: usize = 10_000;
/// TeX of one formula, in bytes; a longer one is shown as its source.
pub(crate) const FORMULA_BYTES_MAX: usize = 2_000;
/// Braces inside braces in a formula.
pub(crate) const FORMULA_DEPTH_MAX: usize = 24;
/// MathML of one formula, in bytes; a short formula that grows beyond it is a bomb and is shown as its source.
pub(crate) const MATHML_BYTES_MAX: usize = 64 * 1024;
/// Formulas set in one text; the rest is shown as source.
pub(crate) const FORMULAS_MAX: usize = 2_000;
/// A line of code longer than this, in bytes, gets no colours: regular expressions walk it again and again.
pub(crate) const CODE_LINE_BYTES_MAX: usize = 400;
/// Code coloured in one block of a stream, and in the whole of a text that is complete, in bytes; the rest is plain.
pub(crate) const CODE_BYTES_MAX: usize = 192 * 1024;
/// Source of the open block that is rendered anew with each piece of a stream, in bytes; above it the block is split.
pub(crate) const OPEN_BYTES_MAX: usize = 1_536;
/// Where no split is found, the open block is closed by force above this.
pub(crate) const OPEN_BYTES_FORCED: usize = 3_072;
/// What a stream may hold back because its meaning is open, in bytes.
pub(crate) const HELD_BYTES_MAX: usize = 512;
/// Readings of the open text for one piece of a stream; it takes as many as containers close or open in it.
pub(crate) const STEPS_MAX: usize = 512;
/// More signs of markup than this in the open text are no text that people or models write.
pub(crate) const BURDEN_MIN: usize = 600;
/// Such a text is read again when it has grown by this share of its signs.
pub(crate) const BURDEN_SHARE: usize = 24;
