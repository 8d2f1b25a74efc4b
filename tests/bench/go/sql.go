package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

func init() {
	rivals = append(rivals, rival{name: "database/sql", open: openSQL})
}

// A stubDriver makes connections to no database.
type stubDriver struct{}

type stubDatabase struct{}

var errNoDatabase = errors.New("there is no database")

func (stubDriver) Connect(context.Context) (driver.Conn, error) { return stubDatabase{}, nil }
func (stubDriver) Driver() driver.Driver                        { return nil }
func (stubDatabase) Prepare(string) (driver.Stmt, error)        { return nil, errNoDatabase }
func (stubDatabase) Close() error                               { return nil }
func (stubDatabase) Begin() (driver.Tx, error)                  { return nil, errNoDatabase }

func openSQL(max int) (*pool, error) {
	db := sql.OpenDB(stubDriver{})
	db.SetMaxOpenConns(max)
	db.SetMaxIdleConns(max)
	return &pool{
		use: func() error {
			conn, err := db.Conn(background)
			if err != nil {
				return err
			}
			return conn.Close()
		},
		hold: func() func() {
			conn, err := db.Conn(background)
			if err != nil {
				panic(err)
			}
			return func() { _ = conn.Close() }
		},
		waiting: func() int { return -1 },
		close:   func() { _ = db.Close() },
	}, nil
}
