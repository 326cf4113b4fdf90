// A stand-in for Terraform's AWS provider: the types of `examples/terraform`, and no cloud behind them. Their attributes are
// those of version 6.62 of https://github.com/hashicorp/terraform-provider-aws, as far as the module has them.
package main

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

const (
	global   = "arn:aws:iam::111122223333:"
	regional = "arn:aws:kms:us-east-1:111122223333:"
	keyID    = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

type (
	schemas = map[string]*schema.Schema
	texts   = map[string]string
	// The computed attributes that follow from the given ones.
	compute = func(given func(string) string) texts
)

func required() *schema.Schema {
	return &schema.Schema{Type: schema.TypeString, Required: true, ForceNew: true}
}

func optional() *schema.Schema {
	return &schema.Schema{Type: schema.TypeString, Optional: true, ForceNew: true}
}

func resource(attributes schemas, computed compute) *schema.Resource {
	read := func(_ context.Context, d *schema.ResourceData, _ any) (problems diag.Diagnostics) {
		d.SetId("made")
		for name, value := range computed(func(name string) string { return d.Get(name).(string) }) {
			problems = append(problems, diag.FromErr(d.Set(name, value))...)
		}
		return problems
	}
	for name := range computed(func(string) string { return "" }) {
		attributes[name] = &schema.Schema{Type: schema.TypeString, Computed: true}
	}
	return &schema.Resource{
		Schema:        attributes,
		CreateContext: read,
		ReadContext:   read,
		DeleteContext: func(context.Context, *schema.ResourceData, any) diag.Diagnostics { return nil },
	}
}

func data(values texts) *schema.Resource {
	it := resource(schemas{}, func(func(string) string) texts { return values })
	return &schema.Resource{Schema: it.Schema, ReadContext: it.ReadContext}
}

func provider() *schema.Provider {
	return &schema.Provider{
		DataSourcesMap: map[string]*schema.Resource{
			"aws_caller_identity": data(texts{"account_id": "111122223333"}),
			"aws_partition":       data(texts{"partition": "aws", "dns_suffix": "amazonaws.com"}),
		},
		ResourcesMap: map[string]*schema.Resource{
			"aws_iam_openid_connect_provider": resource(schemas{
				"url":            required(),
				"client_id_list": {Type: schema.TypeSet, Required: true, ForceNew: true, Elem: &schema.Schema{Type: schema.TypeString}},
			}, func(given func(string) string) texts {
				return texts{"arn": global + "oidc-provider/" + strings.TrimPrefix(given("url"), "https://")}
			}),
			"aws_iam_role": resource(schemas{
				"name": optional(), "path": optional(), "permissions_boundary": optional(), "assume_role_policy": required(),
			}, func(given func(string) string) texts {
				return texts{"arn": global + "role" + given("path") + given("name")}
			}),
			"aws_iam_role_policy": resource(schemas{
				"name": optional(), "role": required(), "policy": required(),
			}, func(func(string) string) texts { return nil }),
			"aws_kms_key": resource(schemas{
				"description": optional(), "customer_master_key_spec": optional(), "key_usage": optional(), "policy": optional(),
				"deletion_window_in_days": {Type: schema.TypeInt, Optional: true, ForceNew: true},
			}, func(func(string) string) texts {
				return texts{"arn": regional + "key/" + keyID, "key_id": keyID}
			}),
			"aws_kms_alias": resource(schemas{
				"name": optional(), "target_key_id": required(),
			}, func(given func(string) string) texts {
				return texts{"arn": regional + given("name")}
			}),
		},
	}
}

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: provider})
}
