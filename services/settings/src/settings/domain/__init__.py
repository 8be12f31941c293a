"""The rules of installations, tokens and authorizations: values in, values out."""
