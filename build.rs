//! Packs the dashboard's files and the API's description, so that the binary is small and a bad link carries a third of the bytes.
//!
//! They are packed once, here, and sent as they are to every browser; the few programs that cannot
//! unpack get them unpacked (`src/http/assets.rs`).

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let description = "src/http/description/openapi.json";
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed={description}");
    let out = std::env::var("OUT_DIR")?;
    let out = Path::new(&out);
    fs::write(out.join("openapi.json.gz"), packed(Path::new(description))?)?;
    let assets = out.join("assets");
    // What was removed from the dashboard must not stay in the binary.
    let _not_there_yet = fs::remove_dir_all(&assets);
    fs::create_dir_all(&assets)?;
    for entry in fs::read_dir("assets")? {
        let file = entry?.path();
        // It tells node, which runs the tests, that these are modules.
        if file.ends_with("package.json") {
            continue;
        }
        let name = file.file_name().ok_or("a file without a name")?;
        let name = format!("{}.gz", name.to_str().ok_or("a name that is no text")?);
        fs::write(assets.join(name), packed(&file)?)?;
    }
    Ok(())
}

/// Without name and time: the same file makes the same bytes.
fn packed(file: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut pack = GzBuilder::new().write(Vec::new(), Compression::best());
    pack.write_all(&fs::read(file)?)?;
    Ok(pack.finish()?)
}
