// Fills a Go template from the environment as Zep fills its configuration: a variable that is
// missing or empty ends the start.
package main

import (
	"fmt"
	"io"
	"os"
	"text/template"
)

func env(name string) (string, error) {
	if value := os.Getenv(name); value != "" {
		return value, nil
	}
	return "", fmt.Errorf("missing environment variable: %s", name)
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		functions := template.FuncMap{"Env": env}
		var parsed *template.Template
		if parsed, err = template.New("zep.yaml").Funcs(functions).Parse(string(text)); err == nil {
			err = parsed.Execute(os.Stdout, nil)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
