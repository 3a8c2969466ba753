-- The features of include/models/flight_delay, written by hand for DuckDB. Arrivals and the weather of a date are
-- known two nights later, its schedule in its own night. Each key is reduced to a row a day; the windows are made of those. Days are joined to nights by key and by 28-day bucket, so that a key's whole history is never
-- joined to all of its nights.

create temp macro spread(n, total, squared) as if(n > 1, sqrt(greatest(squared - total ** 2 / n, 0) / (n - 1)), null);
create temp macro bucket(day) as (day - date '2000-01-01') // 28;

create temp table due as
select source_date as score_date, bucket(source_date - 1) as bucket, *, sched_dep_time // 100 as dep_hour
from read_parquet('{raw}/raw.schedule/*/*.parquet');

create temp table arrivals as
select source_date, bucket(source_date) as bucket, carrier, flight, tailnum, origin, dest,
    sched_dep_time // 100 as dep_hour, arr_delay, arr_delay >= 15 as late,
    source_date + to_minutes((sched_dep_time // 100 * 60 + sched_dep_time % 100 + dep_delay)::int) as departed
from read_parquet('{raw}/raw.arrivals/*/*.parquet')
where departed is null or departed < source_date + to_hours(30);  -- no correct clock writes another row


create temp table all_features as
with days as (
    select source_date, count(late) as known, count_if(late) as late, count(arr_delay) as n, sum(arr_delay) as total,
        sum(arr_delay * arr_delay) as squared
    from arrivals group by source_date
)
select score_date,
    sum(late) filter (back = 2) / sum(known) filter (back = 2) as late_rate_1d,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as late_rate_7d,
    sum(late) / sum(known) as late_rate_28d,
    spread(sum(n) filter (back <= 8), sum(total) filter (back <= 8), sum(squared) filter (back <= 8)) as delay_spread_7d
from (select distinct score_date from due) as nights, lateral (select score_date - source_date as back, * from days)
where back between 2 and 29
group by score_date;


create temp table carrier_features as
with days as (
    select carrier, source_date, count(late) as known, count_if(late) as late, sum(arr_delay) as total,
        list(distinct tailnum) as planes
    from arrivals group by all
)
select score_date, carrier,
    sum(late) filter (back = 2) / sum(known) filter (back = 2) as carrier_late_rate_1d,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as carrier_late_rate_7d,
    sum(late) / sum(known) as carrier_late_rate_28d,
    sum(total) filter (back <= 8) / sum(known) filter (back <= 8) as carrier_delay_7d,
    nullif(len(list_distinct(flatten(list(planes) filter (back <= 8)))), 0) as carrier_planes_7d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, carrier from due) join days using (carrier)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, carrier;


create temp table origin_features as
with days as (
    select origin, source_date, count(late) as known, count_if(late) as late from arrivals group by all
)
select score_date, origin,
    sum(late) filter (back = 2) / sum(known) filter (back = 2) as origin_late_rate_1d,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as origin_late_rate_7d,
    sum(late) / sum(known) as origin_late_rate_28d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, origin from due) join days using (origin)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, origin;


create temp table hour_features as
with days as (
    select origin, dep_hour, source_date, bucket, count(late) as known, count_if(late) as late
    from arrivals group by all
)
select score_date, origin, dep_hour,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as hour_late_rate_7d,
    sum(late) / sum(known) as hour_late_rate_28d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, origin, dep_hour, bucket - step as bucket from due, range(0, 2) as steps(step))
    join days using (origin, dep_hour, bucket)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, origin, dep_hour;


create temp table dest_features as
with days as (
    select dest, source_date, bucket, count(late) as known, count_if(late) as late, sum(arr_delay) as total
    from arrivals group by all
)
select score_date, dest,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as dest_late_rate_7d,
    sum(late) / sum(known) as dest_late_rate_28d,
    sum(total) filter (back = 2) / sum(known) filter (back = 2) as dest_delay_1d,
    sum(total) filter (back <= 8) / sum(known) filter (back <= 8) as dest_delay_7d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, dest, bucket - step as bucket from due, range(0, 2) as steps(step))
    join days using (dest, bucket)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, dest;


create temp table route_features as
with days as (
    select origin, dest, source_date, bucket, count(late) as known, count_if(late) as late, sum(arr_delay) as total,
        sum(arr_delay * arr_delay) as squared
    from arrivals group by all
)
select score_date, origin, dest,
    sum(late) filter (back <= 8) / sum(known) filter (back <= 8) as route_late_rate_7d,
    sum(late) / sum(known) as route_late_rate_28d,
    spread(sum(known), sum(total), sum(squared)) as route_delay_spread_28d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, origin, dest, bucket - step as bucket from due, range(0, 2) as steps(step))
    join days using (origin, dest, bucket)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, origin, dest;


create temp table flight_features as
with days as (
    select carrier, flight, source_date, bucket, count(late) as known, count_if(late) as late, sum(arr_delay) as total
    from arrivals group by all
)
select score_date, carrier, flight,
    sum(late) / sum(known) as flight_late_rate_28d,
    sum(total) filter (back <= 8) / sum(known) filter (back <= 8) as flight_delay_7d
from (
    select score_date, score_date - source_date as back, days.*
    from (select distinct score_date, carrier, flight, bucket - step as bucket from due, range(0, 2) as steps(step))
    join days using (carrier, flight, bucket)
    where source_date between score_date - 29 and score_date - 2
)
group by score_date, carrier, flight;


create temp table plane_features as
with days as (
    select tailnum, source_date, bucket, count(*) as flights, count(late) as known, sum(arr_delay) as total,
        max({'departed': departed, 'arr_delay': arr_delay}) filter (arr_delay + epoch(departed) is not null) as newest
    from arrivals group by all
)
select score_date, tailnum,
    sum(total) / sum(known) as plane_delay_7d,
    max(newest).arr_delay as plane_last_delay_7d,
    sum(flights) as plane_flights_7d
from (select distinct score_date, tailnum, bucket - step as bucket from due, range(0, 2) as steps(step))
join days using (tailnum, bucket)
where source_date between score_date - 8 and score_date - 2
group by score_date, tailnum;


create temp table weather_features as
with days as (
    select origin, source_date, sum(precip) as rain, min(visib) as visibility, max(wind_speed) as wind,
        avg(temp) as temperature
    from read_parquet('{raw}/raw.weather/*/*.parquet') group by all
)
select score_date, origin,
    sum(rain) filter (source_date = score_date - 2) as origin_rain_1d,
    sum(rain) as origin_rain_7d,
    max(visibility) filter (source_date = score_date - 2) as origin_visibility_1d,
    max(wind) filter (source_date = score_date - 2) as origin_wind_1d,
    max(temperature) filter (source_date = score_date - 2) as origin_temperature_1d
from (select distinct score_date, origin from due) join days using (origin)
where source_date between score_date - 8 and score_date - 2
group by score_date, origin;


create temp table hour_departures as
select score_date, origin, dep_hour, count(*) as hour_departures_1d from due group by all;
create temp table dest_departures as select score_date, dest, count(*) as dest_departures_1d from due group by all;
create temp table plane_departures as
select score_date, tailnum, count(*) as plane_departures_1d from due where tailnum is not null group by all;

create temp table planes as
select source_date as published, tailnum, year, seats from read_parquet('{raw}/raw.planes/*/*.parquet');


copy (
    select score_date, carrier, flight, origin, dest,
        carrier as airline,
        origin as airport,
        dest as destination,
        sched_dep_time // 100 * 60 + sched_dep_time % 100 as departure_minute,
        sched_arr_time // 100 * 60 + sched_arr_time % 100 as arrival_minute,
        distance as distance_miles,
        dayofweek(score_date) + 1 as weekday,
        year(score_date) - planes.year as plane_age,
        planes.seats as plane_seats,
        columns(lambda name: regexp_matches(name, '_[0-9]+d$') and name <> 'plane_flights_7d'),
        coalesce(plane_flights_7d, 0) as plane_flights_7d
    from due
    left join all_features using (score_date)
    left join carrier_features using (score_date, carrier)
    left join origin_features using (score_date, origin)
    left join hour_features using (score_date, origin, dep_hour)
    left join dest_features using (score_date, dest)
    left join route_features using (score_date, origin, dest)
    left join flight_features using (score_date, carrier, flight)
    left join plane_features using (score_date, tailnum)
    left join weather_features using (score_date, origin)
    left join hour_departures using (score_date, origin, dep_hour)
    left join dest_departures using (score_date, dest)
    left join plane_departures using (score_date, tailnum)
    asof left join planes on due.tailnum = planes.tailnum and due.score_date >= planes.published
) to '{out}' (format parquet, compression zstd, partition_by (score_date), write_partition_columns true);
