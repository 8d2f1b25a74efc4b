package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
)

func init() {
	rivals = append(rivals, rival{name: "database/sql", subject: "database/sql",
		version: runtime.Version(), notes: "Conn() and Close() of a stub driver;" +
			" keeps no idle minimum; no order among those who wait", open: openSQL})
}

// A stubDriver makes connections to no database.
type stubDriver struct{ options }

type stubDatabase struct{ conn *stubConn }

var errNoDatabase = errors.New("there is no database")

func (d stubDriver) Connect(context.Context) (driver.Conn, error) {
	return stubDatabase{d.ledger.open(d.dial)}, nil
}
func (stubDriver) Driver() driver.Driver                 { return nil }
func (stubDatabase) Prepare(string) (driver.Stmt, error) { return nil, errNoDatabase }
func (stubDatabase) Close() error                        { return nil }
func (stubDatabase) Begin() (driver.Tx, error)           { return nil, errNoDatabase }

func openSQL(o options) (*pool, error) {
	db := sql.OpenDB(stubDriver{o})
	db.SetMaxOpenConns(o.max)
	db.SetMaxIdleConns(o.max)
	return &pool{
		use: func() error {
			conn, err := db.Conn(background)
			if err != nil {
				return err
			}
			return conn.Close()
		},
		take: func(ctx context.Context) (lent, error) {
			conn, err := db.Conn(ctx)
			if err != nil {
				return lent{}, err
			}
			var stub *stubConn
			err = conn.Raw(func(made any) error {
				stub = made.(stubDatabase).conn
				return nil
			})
			return lent{stub, func() { _ = conn.Close() }}, err
		},
		waiting: func() int { return -1 },
		close:   func() { _ = db.Close() },
	}, nil
}
