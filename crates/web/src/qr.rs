//! A QR code as SVG: one path, in the colours of the page's own classes, so that nothing is fetched and nothing runs.

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of white around it, as the standard asks.
const QUIET: i32 = 4;

/// The SVG element, or nothing for a text that is too long for a code.
pub(crate) fn svg(text: &str, label: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in 0..size {
            if code.get_module(x, y) {
                path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
            }
        }
    }
    let side = size + 2 * QUIET;
    let label = label.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {side} {side}\" width=\"220\" height=\"220\" shape-rendering=\"crispEdges\"><rect class=\"qr-paper\" width=\"{side}\" height=\"{side}\"/><path class=\"qr-ink\" d=\"{path}\"/></svg>"
    )
}
