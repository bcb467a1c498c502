-- Budgets: the limits of months. What is spent is counted from the orders.

CREATE TABLE budget_limits (
    -- First day of the month.
    month      date           NOT NULL,
    currency   currency       NOT NULL,
    -- True: for this month and the later ones, until the next such row. False: for this month alone, which comes first.
    is_onwards boolean        NOT NULL,
    -- Null: no limit.
    amount     numeric(14, 2),
    CONSTRAINT budget_limits_pkey PRIMARY KEY (currency, month, is_onwards),
    CONSTRAINT budget_limits_first_day CHECK (extract(day FROM month) = 1),
    CONSTRAINT budget_limits_amount_not_negative CHECK (amount >= 0),
    CONSTRAINT budget_limits_amount_digits CHECK (currency = 'USD' OR amount = trunc(amount))
);
