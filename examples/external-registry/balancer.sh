# What registrar.sh calls. This load balancer has an HTTP API at $BALANCER_URL; put the calls of yours in its place. Both
# functions may be called twice for the same address, and fail if it is not certain that they did what they are for.

# register has the load balancer send requests to an address.
register() {
	curl --fail --silent --show-error --max-time 10 --request PUT "$BALANCER_URL/targets/$1"
}

# deregister returns when the load balancer sends no more requests to an address and those that it has sent are answered.
# As long as a load balancer cannot tell, sleep for as long as it takes at the most.
deregister() {
	curl --fail --silent --show-error --max-time 60 --request DELETE "$BALANCER_URL/targets/$1"
}
