//! The images that nodes have from the start: there is no registry.

use std::path::{Path, PathBuf};

use super::space::Space;
use crate::error::Result;
use crate::image::{ImageConfig, oci_layout};
use crate::registry::Run;

/// What holds a pod's namespaces.
pub(crate) const PAUSE: &str = "testbed.example.com/pause:1";
/// A small web server, see `tests/programs/web`.
pub const WEB_IMAGE: &str = "testbed.example.com/web:1";

/// An archive, and under which further names nodes know its image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    archive: PathBuf,
    name: String,
    also: Vec<String>,
}

/// Packs the images that every node has; the web server is known under the names `also`, too.
pub(crate) fn pack(run: &Run, web: &Path, also: &[String]) -> Result<Vec<Image>> {
    let folder = run.folder("images")?;
    let image = |name: &str, entrypoint: &[&str], also: &[String]| -> Result<Image> {
        let config = ImageConfig {
            name: name.into(),
            user: "65532:65532".into(),
            entrypoint: entrypoint.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
        };
        let file = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
        let archive = folder.join(file.collect::<String>()).with_extension("tar");
        oci_layout(&[("/web".into(), web.to_path_buf(), 0o755)], &config, &archive)?;
        Ok(Image { archive, name: name.into(), also: also.to_vec() })
    };
    Ok(vec![image(PAUSE, &["/web", "pause"], &[])?, image(WEB_IMAGE, &["/web"], also)?])
}

/// Gives a node the images.
pub(crate) fn load(node: &Space, images: &[Image]) -> Result<()> {
    for image in images {
        import(node, &image.archive)?;
        for name in &image.also {
            node.call(&["ctr", "--namespace=k8s.io", "images", "tag", "--force", &image.name, name], "")?;
        }
    }
    Ok(())
}

/// Gives a node the images of an archive.
pub(crate) fn import(node: &Space, archive: &Path) -> Result<()> {
    let archive = archive.display().to_string();
    node.call(&["ctr", "--namespace=k8s.io", "images", "import", &archive], "").map(drop)
}
