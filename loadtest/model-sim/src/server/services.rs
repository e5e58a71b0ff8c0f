//! Servers that are no language models: KServe v2, Azure Machine Learning endpoints and Azure's language
//! service. It owns their bodies, whose numbers are functions of what was asked; it refuses to infer.

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Asked, Said, hash};
use super::errors::Complaint;
use crate::random::Draws;
use crate::tokens;

/// A number between 0 and 1 that belongs to `seed`.
fn score(seed: u64, index: u64) -> f64 {
    (Draws::keyed(seed, &[index]).unit() * 1e4).round() / 1e4
}

#[derive(Deserialize)]
struct Infer {
    #[serde(default)]
    id: Option<String>,
    inputs: Vec<Tensor>,
    #[serde(default)]
    outputs: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    data: Value,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

const DATATYPES: [&str; 13] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
    "BYTES",
];

/// Reads a KServe v2 inference request: one number per row of the first tensor comes out.
pub(super) fn infer(model: &str, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Complaint> {
    let infer: Infer = serde_json::from_slice(body).map_err(|error| {
        Complaint::bad_request(format!("failed to parse the request JSON buffer: {error}"))
    })?;
    let first = infer.inputs.first().ok_or_else(|| Complaint::bad_request("inputs must not be empty"))?;
    let mut elements = 0;
    for tensor in &infer.inputs {
        let (name, shape) = (&tensor.name, &tensor.shape);
        if !DATATYPES.contains(&tensor.datatype.as_str()) {
            let message = format!("input '{name}' has the unknown datatype {}", tensor.datatype);
            return Err(Complaint::bad_request(message));
        }
        let promised: u64 = shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side));
        let given = count(&tensor.data);
        if promised != given {
            let message =
                format!("input '{name}' has {given} elements, its shape {shape:?} promises {promised}");
            return Err(Complaint::bad_request(message));
        }
        elements += given;
    }
    let rows = first.shape.first().copied().unwrap_or(1).min(1 << 16);
    let seed = hash(0, first.data.to_string().as_bytes());
    let data: Vec<f64> = (0..rows).map(|row| score(seed, row)).collect();
    let name = infer.outputs.first().map_or("output", |wanted| wanted.name.as_str());
    let output = json!({"name": name, "datatype": "FP64", "shape": [rows], "data": data});
    let mut answer = json!({"model_name": model, "model_version": "1", "outputs": [output]});
    if let (Some(id), Some(fields)) = (infer.id, answer.as_object_mut()) {
        fields.insert("id".to_owned(), Value::from(id));
    }
    let said = Said::new("application/json", Bytes::from(answer.to_string()));
    Asked::said(model.to_owned(), elements, headers, said)
}

/// Elements of a tensor, flat or nested.
fn count(data: &Value) -> u64 {
    match data {
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 1,
    }
}

/// KServe's account of a model.
pub(super) fn describe(model: &str) -> Value {
    let tensor = |name: &str| json!({"name": name, "datatype": "FP64", "shape": [-1]});
    json!({
        "name": model, "versions": ["1"], "platform": "model-sim",
        "inputs": [tensor("input")], "outputs": [tensor("output")],
    })
}

/// Reads a request to an Azure Machine Learning endpoint: one number per row comes out, and the deployment
/// that gave it is named. A caller may name the deployment itself, as one does to test one before traffic.
pub(super) fn scored(model: String, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Complaint> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|error| Complaint::bad_request(format!("The request body is not valid JSON: {error}")))?;
    let data = asked.get("input_data").or_else(|| asked.get("data")).or_else(|| asked.get("inputs"));
    let data = data.and_then(|data| data.get("data").or(Some(data)));
    let rows = data.and_then(Value::as_array).map_or(1, Vec::len).min(1 << 16) as u64;
    let seed = hash(0, asked.to_string().as_bytes());
    let predictions: Vec<f64> = (0..rows).map(|row| score(seed, row)).collect();
    let named = headers.get("azureml-model-deployment").and_then(|value| value.to_str().ok());
    let deployment = named.unwrap_or("blue").to_owned();
    let body = Bytes::from(json!({"predictions": predictions}).to_string());
    let said =
        Said { head: vec![("azureml-model-deployment", deployment)], ..Said::new("application/json", body) };
    Asked::said(model, rows, headers, said)
}

#[derive(Deserialize)]
struct Analysis {
    kind: String,
    #[serde(rename = "analysisInput")]
    input: Documents,
}

#[derive(Deserialize)]
struct Documents {
    documents: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    id: String,
    text: String,
}

/// Reads a request to Azure's language service, version 2023-04-01 and later.
pub(super) fn analyze(model: String, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Complaint> {
    let analysis: Analysis = serde_json::from_slice(body)
        .map_err(|error| Complaint::bad_request(format!("The request body is not valid: {error}")))?;
    let mut documents = Vec::new();
    for document in &analysis.input.documents {
        let mut result = finding(&analysis.kind, &document.text)?;
        if let Some(fields) = result.as_object_mut() {
            fields.insert("id".to_owned(), Value::from(document.id.as_str()));
            fields.insert("warnings".to_owned(), json!([]));
        }
        documents.push(result);
    }
    let results = json!({"documents": documents, "errors": [], "modelVersion": "2025-10-01"});
    let body = json!({"kind": format!("{}Results", analysis.kind), "results": results}).to_string();
    let words = analysis.input.documents.iter().map(|document| tokens::count(&document.text)).sum();
    let said = Said {
        head: vec![("apim-request-id", format!("{:032x}", hash(0, body.as_bytes())))],
        ..Said::new("application/json; charset=utf-8", Bytes::from(body))
    };
    Asked::said(model, words, headers, said)
}

fn finding(kind: &str, text: &str) -> Result<Value, Complaint> {
    let positive = score(hash(0, text.as_bytes()), 0);
    Ok(match kind {
        "SentimentAnalysis" => {
            let rest = ((1.0 - positive) * 1e4).round() / 1e4;
            let sentiment = if positive > 0.5 { "positive" } else { "negative" };
            let scores = json!({"positive": positive, "neutral": 0.0, "negative": rest});
            json!({"sentiment": sentiment, "confidenceScores": scores, "sentences": []})
        }
        "LanguageDetection" => {
            json!({"detectedLanguage": {"name": "English", "iso6391Name": "en", "confidenceScore": positive}})
        }
        "KeyPhraseExtraction" => json!({"keyPhrases": text.split_whitespace().take(3).collect::<Vec<_>>()}),
        "PiiEntityRecognition" => json!({"redactedText": text, "entities": []}),
        "EntityRecognition" | "EntityLinking" => json!({"entities": []}),
        _ => {
            let message = format!("`{kind}` is no kind of analysis this server knows.");
            return Err(Complaint::bad_request(message).about("kind"));
        }
    })
}
