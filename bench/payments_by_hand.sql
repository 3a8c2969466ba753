-- The features of bench/models/payments, written by hand for DuckDB. Payments are reduced to a row a key and day; the
-- windows are made of those. Days are joined to nights by key and by 28-day bucket, so that a key's whole history is
-- never joined to all of its nights.

create temp macro spread(n, total, squared) as if(n > 1, sqrt(greatest(squared - total ** 2 / n, 0) / (n - 1)), null);

create temp table due as
select source_date as score_date, (source_date - date '2000-01-01') // 28 as bucket, account, merchant, country
from read_parquet('{raw}/raw.due/*/*.parquet');

create temp table payments as
select *, (source_date - date '2000-01-01') // 28 as bucket from read_parquet('{raw}/raw.payments/*/*.parquet');


create temp table account_days as
select account, source_date, bucket,
    count(*) as payments,
    sum(amount) as amount,
    min(amount) as smallest,
    max(amount) as largest,
    count_if(flagged) as flagged,
    sum(minute) as hours,
    sum(minute * minute) as hours_squared
from payments group by all;

create temp table account_features as
with seen as (
    select nights.score_date, nights.score_date - source_date as back, days.*
    from (select score_date, account, bucket - step as bucket from due, range(0, 2) as steps(step)) as nights
    join account_days as days using (account, bucket)
    where source_date between score_date - 28 and score_date - 1
)
select score_date, account,
    sum(payments) filter (back = 1) as account_payments_1d,
    sum(payments) filter (back <= 7) as account_payments_7d,
    sum(payments) as account_payments_28d,
    sum(amount) filter (back = 1) as account_amount_1d,
    sum(amount) filter (back <= 7) as account_amount_7d,
    sum(amount) as account_amount_28d,
    account_amount_7d / account_payments_7d as account_mean_7d,
    account_amount_28d / account_payments_28d as account_mean_28d,
    min(smallest) as account_smallest_28d,
    max(largest) filter (back <= 7) as account_largest_7d,
    max(largest) as account_largest_28d,
    sum(flagged) filter (back <= 7) / account_payments_7d as account_flagged_7d,
    sum(flagged) / account_payments_28d as account_flagged_28d,
    spread(account_payments_28d, sum(hours), sum(hours_squared)) as account_hours_28d
from seen group by score_date, account;


create temp table merchant_days as
select merchant, source_date, bucket,
    count(*) as payments, sum(amount) as amount, sum(amount * amount) as squared, count_if(flagged) as flagged
from payments group by all;

create temp table merchant_features as
with seen as (
    select nights.score_date, nights.score_date - source_date as back, days.*
    from (select distinct score_date, merchant, bucket - step as bucket from due, range(0, 2) as steps(step)) as nights
    join merchant_days as days using (merchant, bucket)
    where source_date between score_date - 28 and score_date - 1
)
select score_date, merchant,
    sum(payments) filter (back = 1) as merchant_payments_1d,
    sum(payments) filter (back <= 7) as merchant_payments_7d,
    sum(payments) as merchant_payments_28d,
    sum(amount) filter (back <= 7) / merchant_payments_7d as merchant_mean_7d,
    sum(amount) / merchant_payments_28d as merchant_mean_28d,
    spread(merchant_payments_28d, sum(amount), sum(squared)) as merchant_spread_28d,
    sum(flagged) filter (back <= 7) / merchant_payments_7d as merchant_flagged_7d,
    sum(flagged) / merchant_payments_28d as merchant_flagged_28d
from seen group by score_date, merchant;


create temp table country_days as
select country, source_date,
    count(*) as payments, sum(amount) as amount, max(amount) as largest, sum(amount * amount) as squared,
    count_if(flagged) as flagged
from payments group by all;

create temp table country_features as
select score_date, country,
    sum(amount) filter (source_date = score_date - 1) as country_amount_1d,
    sum(amount) filter (source_date >= score_date - 7) as country_amount_7d,
    max(largest) filter (source_date >= score_date - 7) as country_largest_7d,
    sum(flagged) filter (source_date >= score_date - 7) / sum(payments) filter (source_date >= score_date - 7)
        as country_flagged_7d,
    sum(flagged) / sum(payments) as country_flagged_28d
from (select distinct score_date, country from due) join country_days using (country)
where source_date between score_date - 28 and score_date - 1
group by score_date, country;


create temp table all_features as
with days as (
    select source_date, sum(payments) as payments, sum(amount) as amount, sum(squared) as squared,
        sum(flagged) as flagged
    from country_days group by source_date
)
select score_date,
    sum(payments) filter (source_date = score_date - 1) as all_payments_1d,
    sum(payments) as all_payments_28d,
    spread(all_payments_28d, sum(amount), sum(squared)) as all_spread_28d,
    sum(flagged) filter (source_date >= score_date - 7) / sum(payments) filter (source_date >= score_date - 7)
        as all_flagged_7d
from (select distinct score_date from due)
join days on source_date between score_date - 28 and score_date - 1
group by score_date;


copy (
    select * exclude (bucket, merchant, country) replace (
        coalesce(account_payments_1d, 0) as account_payments_1d,
        coalesce(account_payments_7d, 0) as account_payments_7d,
        coalesce(account_payments_28d, 0) as account_payments_28d,
        coalesce(merchant_payments_1d, 0) as merchant_payments_1d,
        coalesce(merchant_payments_7d, 0) as merchant_payments_7d,
        coalesce(merchant_payments_28d, 0) as merchant_payments_28d,
        coalesce(all_payments_1d, 0) as all_payments_1d,
        coalesce(all_payments_28d, 0) as all_payments_28d
    )
    from due
    left join account_features using (score_date, account)
    left join merchant_features using (score_date, merchant)
    left join country_features using (score_date, country)
    left join all_features using (score_date)
) to '{out}' (format parquet, compression zstd, partition_by (score_date), write_partition_columns true);
