// A stand-in for Terraform's AWS provider, with the types of `examples/terraform` and no cloud behind it. Names, types and
// what is required are those of https://github.com/hashicorp/terraform-provider-aws 6.
package main

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

const (
	account = "111122223333"
	keyID   = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

type (
	schemas  = map[string]*schema.Schema
	computed = func(given func(string) string) map[string]string
)

func required() *schema.Schema {
	return &schema.Schema{Type: schema.TypeString, Required: true, ForceNew: true}
}
func optional() *schema.Schema {
	return &schema.Schema{Type: schema.TypeString, Optional: true, ForceNew: true}
}

// A resource whose computed attributes follow from those that are given; the first of them, sorted, is its ID.
func resource(attributes schemas, compute computed) *schema.Resource {
	read := func(_ context.Context, d *schema.ResourceData, _ any) diag.Diagnostics {
		var problems diag.Diagnostics
		for name, value := range compute(func(name string) string { text, _ := d.Get(name).(string); return text }) {
			d.SetId(value)
			problems = append(problems, diag.FromErr(d.Set(name, value))...)
		}
		return problems
	}
	for name := range compute(func(string) string { return "" }) {
		attributes[name] = &schema.Schema{Type: schema.TypeString, Computed: true}
	}
	return &schema.Resource{
		Schema:        attributes,
		CreateContext: read,
		ReadContext:   read,
		DeleteContext: func(context.Context, *schema.ResourceData, any) diag.Diagnostics { return nil },
	}
}

func data(values map[string]string) *schema.Resource {
	it := resource(schemas{}, func(func(string) string) map[string]string { return values })
	return &schema.Resource{Schema: it.Schema, ReadContext: it.ReadContext}
}

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: func() *schema.Provider {
		return &schema.Provider{
			DataSourcesMap: map[string]*schema.Resource{
				"aws_caller_identity": data(map[string]string{"account_id": account}),
				"aws_partition":       data(map[string]string{"partition": "aws", "dns_suffix": "amazonaws.com"}),
			},
			ResourcesMap: map[string]*schema.Resource{
				"aws_iam_openid_connect_provider": resource(schemas{
					"url":            required(),
					"client_id_list": {Type: schema.TypeSet, Required: true, ForceNew: true, Elem: &schema.Schema{Type: schema.TypeString}},
				}, func(given func(string) string) map[string]string {
					return map[string]string{"arn": "arn:aws:iam::" + account + ":oidc-provider/" + strings.TrimPrefix(given("url"), "https://")}
				}),
				"aws_iam_role": resource(schemas{
					"name": optional(), "path": optional(), "permissions_boundary": optional(), "assume_role_policy": required(),
				}, func(given func(string) string) map[string]string {
					return map[string]string{"arn": "arn:aws:iam::" + account + ":role" + given("path") + given("name")}
				}),
				"aws_iam_role_policy": resource(schemas{
					"name": optional(), "role": required(), "policy": required(),
				}, func(given func(string) string) map[string]string {
					return map[string]string{"id": given("role") + ":" + given("name")}
				}),
				"aws_kms_key": resource(schemas{
					"description": optional(), "customer_master_key_spec": optional(), "key_usage": optional(), "policy": optional(),
					"deletion_window_in_days": {Type: schema.TypeInt, Optional: true, ForceNew: true},
				}, func(func(string) string) map[string]string {
					return map[string]string{"arn": "arn:aws:kms:us-east-1:" + account + ":key/" + keyID, "key_id": keyID}
				}),
				"aws_kms_alias": resource(schemas{
					"name": optional(), "target_key_id": required(),
				}, func(given func(string) string) map[string]string {
					return map[string]string{"arn": "arn:aws:kms:us-east-1:" + account + ":" + given("name")}
				}),
			},
		}
	}})
}
