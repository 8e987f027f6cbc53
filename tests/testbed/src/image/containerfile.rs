//! What a Containerfile says of the image that it makes: the packed one says the same.

use std::path::Path;

use super::ImageConfig;
use crate::error::{Error, Result, io};

/// `USER`, `ENV` and `ENTRYPOINT` of a Containerfile's last stage; one `ENV` a line, `ENTRYPOINT` as JSON.
///
/// # Errors
/// The file can't be read, or its last stage leaves out `USER` or `ENTRYPOINT`.
pub fn image_config(containerfile: &Path, name: &str) -> Result<ImageConfig> {
    let text = std::fs::read_to_string(containerfile).map_err(io("read", containerfile))?;
    let mut config = ImageConfig { name: name.to_owned(), ..ImageConfig::default() };
    for line in text.lines() {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        match word {
            "FROM" => config = ImageConfig { name: name.to_owned(), ..ImageConfig::default() },
            "USER" => rest.trim().clone_into(&mut config.user),
            "ENV" => config.env.push(rest.trim().to_owned()),
            "ENTRYPOINT" => config.entrypoint = serde_json::from_str(rest).unwrap_or_default(),
            _ => {}
        }
    }
    let missing = if config.user.is_empty() {
        "USER"
    } else if config.entrypoint.is_empty() {
        "ENTRYPOINT [\"…\"]"
    } else {
        return Ok(config);
    };
    Err(Error::Invalid(format!("{}: the last stage has no {missing}", containerfile.display())))
}
