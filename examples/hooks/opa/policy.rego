# A policy hook in Open Policy Agent: `opa run --server policy.rego`, asked at /v1/data/sluicegate/answer with
# `format: opa`.
package sluicegate

import rego.v1

default answer := {"decision": "allow", "ttl_s": 60}

answer := {"decision": "deny", "message": message, "ttl_s": 60} if message := refusal

refusal := "this policy speaks version 1 of the contract" if input.version != 1

else := "restricted data may only go to gpt-4o" if {
	input.data_class == "restricted"
	input.model != "gpt-4o"
}

else := "prompts end at 65536 tokens" if input.prompt_tokens > 65536
