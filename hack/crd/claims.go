package main

import "errors"

// requireClaims asks for what every claim needs, so that its absence is told with its path and not by a rule.
func requireClaims(claims *schema) error {
	return errors.Join(
		require(claims, []string{"[]"}, "metadata", "spec"),
		require(claims, []string{"[]", "metadata"}, "name"),
		change(claims, limitName, "[]", "metadata", "name"),
		require(claims, []string{"[]", "spec"}, "accessModes", "resources"),
		change(claims, func(modes *schema) error {
			modes.MinItems = new(int64(1))
			return nil
		}, "[]", "spec", "accessModes"),
		require(claims, []string{"[]", "spec", "resources"}, "requests"),
		require(claims, []string{"[]", "spec", "resources", "requests"}, "storage"),
	)
}

func require(s *schema, path []string, names ...string) error {
	return change(s, func(s *schema) error {
		s.Required = append(s.Required, names...)
		return nil
	}, path...)
}
