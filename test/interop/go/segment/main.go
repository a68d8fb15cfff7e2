// The Go client of Segment, as its users write it: segment URL WRITE_KEY
package main

import (
	"log"
	"os"

	"github.com/segmentio/analytics-go/v3"
)

func main() {
	client, err := analytics.NewWithConfig(os.Args[2], analytics.Config{Endpoint: os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	for _, message := range []analytics.Message{
		analytics.Identify{UserId: "ann", Traits: analytics.NewTraits().Set("plan", "pro")},
		analytics.Track{UserId: "ann", Event: "Order Completed", Properties: analytics.NewProperties().Set("total", 12.5)},
		analytics.Page{UserId: "ann", Name: "Home"},
		analytics.Screen{UserId: "ann", Name: "Main"},
		analytics.Group{UserId: "ann", GroupId: "g1"},
		analytics.Alias{PreviousId: "old", UserId: "ann"},
	} {
		if err := client.Enqueue(message); err != nil {
			log.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
}
