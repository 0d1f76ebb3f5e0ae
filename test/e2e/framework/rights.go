package framework

import (
	"cmp"
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// managerUser is the user that the installed manager is to the API server.
const managerUser = "system:serviceaccount:" + ManagerNamespace + ":" + ManagerName

// Right is the right to do something to a kind of resource, a subresource being a kind of its own.
type Right struct{ Group, Resource, Verb string }

// Compare orders rights.
func (r Right) Compare(other Right) int {
	return cmp.Or(cmp.Compare(r.Group, other.Group), cmp.Compare(r.Resource, other.Resource), cmp.Compare(r.Verb, other.Verb))
}

// UsedRights returns what the installed manager has asked of the API server, and the requests that were forbidden.
func (c *Cluster) UsedRights() (used map[Right]bool, forbidden []*Request, err error) {
	requests, err := c.requests(func(r *Request) bool { return r.User.Name == managerUser && r.Object.Resource != "" })
	used = map[Right]bool{}
	for _, r := range requests {
		right := Right{r.Object.Group, r.Object.Resource, r.Verb}
		if r.Object.Subresource != "" {
			right.Resource += "/" + r.Object.Subresource
		}
		used[right] = true
		if r.isForbidden() {
			forbidden = append(forbidden, r)
		}
	}
	return used, forbidden, err
}

// GrantedRights returns what the roles of the installed manager let it do, whatever the names of the objects.
func (c *Cluster) GrantedRights(ctx context.Context) (map[Right]bool, error) {
	granted := map[Right]bool{}
	everywhere := &rbacv1.ClusterRoleBindingList{}
	if err := c.Client.List(ctx, everywhere); err != nil {
		return nil, err
	}
	for i := range everywhere.Items {
		if b := &everywhere.Items[i]; namesManager(b.Subjects) {
			role := &rbacv1.ClusterRole{}
			if err := c.Client.Get(ctx, client.ObjectKey{Name: b.RoleRef.Name}, role); err != nil {
				return nil, err
			}
			grant(granted, role.Rules)
		}
	}
	here := &rbacv1.RoleBindingList{}
	if err := c.Client.List(ctx, here); err != nil {
		return nil, err
	}
	for i := range here.Items {
		if b := &here.Items[i]; namesManager(b.Subjects) {
			role := &rbacv1.Role{}
			if err := c.Client.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: b.RoleRef.Name}, role); err != nil {
				return nil, err
			}
			grant(granted, role.Rules)
		}
	}
	return granted, nil
}

func namesManager(subjects []rbacv1.Subject) bool {
	for _, s := range subjects {
		if s.Kind == rbacv1.ServiceAccountKind && s.Namespace == ManagerNamespace && s.Name == ManagerName {
			return true
		}
	}
	return false
}

func grant(granted map[Right]bool, rules []rbacv1.PolicyRule) {
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					granted[Right{group, resource, verb}] = true
				}
			}
		}
	}
}
