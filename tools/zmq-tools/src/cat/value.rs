//! Messages as values of JSON and msgpack: `{"parts": [...]}`, with `group` or `routing_id` for those that have one.

use crate::zmq::Message;
use base64ct::{Base64, Encoding};
use rmpv::Value as Pack;
use serde_json::{Map, Value as Json, json};

const SHAPE: &str = "a message is a string, an array of strings, or an object with \"parts\"";

/// A part as JSON has it.
fn json_part(part: &[u8]) -> Json {
    match std::str::from_utf8(part) {
        Ok(text) => Json::from(text),
        Err(_) => json!({ "base64": Base64::encode_string(part) }),
    }
}

/// A message as JSON has it.
pub(super) fn to_json(message: &Message) -> Json {
    let mut map = Map::new();
    map.insert("parts".to_owned(), message.parts.iter().map(|p| json_part(p)).collect());
    if let Some(group) = &message.group {
        map.insert("group".to_owned(), group.as_str().into());
    }
    if let Some(id) = message.routing_id {
        map.insert("routing_id".to_owned(), id.into());
    }
    Json::Object(map)
}

fn part_of_json(value: &Json) -> Result<Vec<u8>, String> {
    match (value, value.get("base64")) {
        (Json::String(text), _) => Ok(text.as_bytes().to_vec()),
        (_, Some(Json::String(text))) => {
            Base64::decode_vec(text).map_err(|e| format!("base64: {e}"))
        }
        _ => Err(SHAPE.to_owned()),
    }
}

/// The message that a value stands for.
pub(super) fn of_json(value: &Json) -> Result<Message, String> {
    let parts = value.get("parts").unwrap_or(value);
    let parts = match parts {
        Json::Array(parts) if !parts.is_empty() => {
            parts.iter().map(part_of_json).collect::<Result<_, _>>()?
        }
        one => vec![part_of_json(one)?],
    };
    let group = value.get("group").map(|g| g.as_str().map(str::to_owned).ok_or("group: a string"));
    let id = value.get("routing_id").map(|id| {
        id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or("routing_id: a number of 32 bits")
    });
    Ok(Message { parts, group: group.transpose()?, routing_id: id.transpose()? })
}

/// A message as msgpack has it.
pub(super) fn to_pack(message: &Message) -> Pack {
    let parts = message.parts.iter().map(|p| Pack::Binary(p.clone())).collect();
    let mut map = vec![(Pack::from("parts"), Pack::Array(parts))];
    if let Some(group) = &message.group {
        map.push((Pack::from("group"), Pack::from(group.as_str())));
    }
    if let Some(id) = message.routing_id {
        map.push((Pack::from("routing_id"), Pack::from(id)));
    }
    Pack::Map(map)
}

fn part_of_pack(value: &Pack) -> Result<Vec<u8>, String> {
    value.as_slice().map(<[u8]>::to_vec).ok_or_else(|| SHAPE.to_owned())
}

/// The message that a value stands for.
pub(super) fn of_pack(value: &Pack) -> Result<Message, String> {
    let entry = |name: &str| {
        let map = value.as_map()?;
        map.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
    };
    let parts = match entry("parts").unwrap_or(value) {
        Pack::Array(parts) if !parts.is_empty() => {
            parts.iter().map(part_of_pack).collect::<Result<_, _>>()?
        }
        one => vec![part_of_pack(one)?],
    };
    let group = entry("group").map(|g| g.as_str().map(str::to_owned).ok_or("group: a string"));
    let id = entry("routing_id").map(|id| {
        id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or("routing_id: a number of 32 bits")
    });
    Ok(Message { parts, group: group.transpose()?, routing_id: id.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        let parts = vec![vec![0xff, 0], b"text".to_vec(), Vec::new()];
        vec![
            Message::of(*b"hello"),
            Message { parts: parts.clone(), group: Some("news".to_owned()), routing_id: None },
            Message { parts, group: None, routing_id: Some(u32::MAX) },
        ]
    }

    #[test]
    fn messages_come_back() {
        for message in messages() {
            assert_eq!(of_json(&to_json(&message)), Ok(message.clone()));
            assert_eq!(of_pack(&to_pack(&message)), Ok(message));
        }
        assert_eq!(to_json(&messages()[1])["parts"][0]["base64"], "/wA=");
    }

    #[test]
    fn short_forms_are_understood() {
        assert_eq!(of_json(&json!("a")), Ok(Message::of(*b"a")));
        assert_eq!(of_json(&json!(["a"])), Ok(Message::of(*b"a")));
        assert_eq!(of_pack(&Pack::from("a")), Ok(Message::of(*b"a")));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let wrong = [
            json!(1),
            json!([]),
            json!({}),
            json!([1]),
            json!({"base64": "?"}),
            json!({"parts": {}}),
        ];
        for wrong in wrong {
            assert!(of_json(&wrong).is_err(), "{wrong}");
        }
        assert!(of_json(&json!({"parts": ["a"], "group": 1})).is_err());
        assert!(of_json(&json!({"parts": ["a"], "routing_id": -1})).is_err());
        assert!(of_pack(&Pack::from(7)).is_err());
        assert!(of_pack(&Pack::Array(Vec::new())).is_err());
    }
}
