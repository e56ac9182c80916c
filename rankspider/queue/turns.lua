-- The watch list: anchors that are asked again and again. Goes on from anchor_queue.lua, whose leases
-- it uses: whoever takes a turn writes the anchor's next one in the same step.
--
-- KEYS 11 watched  HASH sec_uid -> {every, most, steady, number, paused: as the durable copy has them;
--                       state, still, seen, due_in, hour, score, worst, missed, rate}, msgpack
--      12 turns    ZSET sec_uid -> when it is to be asked next, ms; every one but those paused
--      13 listed   ZSET sec_uid -> when the list was last seen with it, ms
--      14 plan     HASH {clock, ahead, tat, rate, count, list_at, list_observed, list_hour, asked_at,
--                       paused, revision, mending, offset_low, offset_high, offset_at, margin,
--                       closings {[hour] looks that were made}, msgpack}
--
-- `number` places the anchor within its interval: by the golden ratio, so that however many there
-- are, and whenever they came, they are spread evenly. `still` counts the answers in a row that
-- found it off the air. `rate` is what it adds to the plan, and the plan's the sum: calls in 10^6
-- hours, whole, so that the sum stays exact. `worst` is the longest gap between two sightings, in
-- intervals. `tat` is GCRA's: when the next turn may be taken.
--
-- Times are of a clock of its own, Redis's but that it never goes back: `ahead` is how much it is
-- ahead by then. So a clock that is set back keeps nobody waiting.

local watched, turns, listed, plan = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
local GOLDEN = 0.6180339887498949
local HOUR, DAY = 3600000, 86400000
-- Turns may be taken a quarter faster than planned. Those that a late worker left are made up for
-- within the tolerance, ms, and no second sees more than the quarter.
local PACE, TOLERANCE = 1.25, 50
-- A short list's is not slower than this, ms: its tries after a failure are turns as well.
local SLOWEST = 15000
local BACK_OFF = HOUR / 2
local MOST_LOOKED_AT = 64
-- Whoever is due within it, ms, brings the list along when that is to be looked at.
local BORROWED = 120000
-- An hour's end is looked at several times, since a call may fail, be slow or come from a cache: so
-- many margins before it, and after it, ms, until the list of the new hour is there.
local BEFORE, AFTER = {1, 1 / 2, 1 / 4, 1 / 8, 1 / 16}, {1000, 3000, 8000}
local SOON_AFTER = 60000

local is_there, time

-- What hands have put in place of it; the durable copy has what is lost.
local function mend()
  for key, kind in pairs({
    [watched] = 'hash', [turns] = 'zset', [listed] = 'zset', [plan] = 'hash',
  }) do
    local found = redis.call('TYPE', key).ok
    if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
  end
end

function watch.is_there()
  if is_there == nil then
    local found = watched and redis.call('TYPE', watched).ok or 'none'
    is_there = found == 'hash'
    if found ~= 'none' then mend() end
  end
  return is_there
end

local function planned(name) return tonumber(redis.call('HGET', plan, name) or 0) or 0 end

local function note(name, value) redis.call('HSET', plan, name, string.format('%.0f', value)) end

-- The watch list's own clock, read once in a call.
local function clock_of_turns()
  if time then return time end
  local last, ahead = planned('clock'), planned('ahead')
  time = now + ahead
  if time < last then
    note('ahead', ahead + last - time)
    time = last
  end
  note('clock', time)
  return time
end

local function is_entry(entry)
  return type(entry) == 'table' and is_number(entry.every) and is_number(entry.most)
    and is_number(entry.number) and is_number(entry.rate) and is_text(entry.state)
end

-- nil for what is not watched, and for what is no entry of ours: the durable copy has it.
local function entry_of(member)
  local packed = watch.is_there() and redis.call('HGET', watched, member)
  if not packed then return nil end
  local is_read, entry = pcall(cmsgpack.unpack, packed)
  if is_read and is_entry(entry) then return entry end
  redis.call('HDEL', watched, member)
  redis.call('ZREM', turns, member)
  redis.call('HDEL', plan, 'count') -- it is whole no longer
  return nil
end

function watch.has(member) return watch.is_there() and redis.call('HEXISTS', watched, member) == 1 end

local function interval(entry)
  if entry.state == 'gone' then return math.max(entry.every, DAY) end
  if entry.steady or entry.state ~= 'asleep' then return entry.every end
  local backed_off = math.max(entry.every, BACK_OFF) * 2 ^ math.min(entry.still - 1, 16)
  return math.max(entry.every, math.min(entry.most, backed_off))
end

local function is_free(entry) return entry.state == 'listed' and not entry.steady end

-- Write it, with what it adds to the plan.
local function keep(member, entry)
  local rate = 0
  if not entry.paused and not is_free(entry) then
    rate = math.floor(HOUR * 1e6 / interval(entry) + 0.5)
  end
  if rate ~= entry.rate then
    redis.call('HINCRBY', plan, 'rate', string.format('%.0f', rate - entry.rate))
    entry.rate = rate
  end
  redis.call('HSET', watched, member, cmsgpack.pack(entry))
end

-- The next time that is its own after now.
local function slot(entry)
  local every = interval(entry)
  local phase = entry.number * GOLDEN % 1 * every
  return (math.floor((clock_of_turns() - phase) / every) + 1) * every + phase
end

local function place(member, at)
  redis.call('ZADD', turns, string.format('%.0f', math.ceil(at)), member)
end

-- After a sighting: in its own slot, and neither sooner than half an interval nor later than one.
local function place_next(member, entry)
  if entry.paused then return end
  local at = math.max(slot(entry), time + interval(entry) / 2)
  entry.due_in = interval(entry)
  place(member, at)
end

-- The list that was seen last has it.
local function is_listed(member)
  local at = redis.call('ZSCORE', listed, member)
  return at and tonumber(at) == planned('list_at')
end

local function see(entry, at)
  if entry.seen and entry.due_in then
    entry.worst = math.max(entry.worst or 0, (at - entry.seen) / entry.due_in)
  end
  entry.seen = at
end

-- Its turn comes in `delay` ms, or came so long ago; nothing of what is paused or not watched.
function watch.come_back(member, delay)
  local entry = entry_of(member)
  if entry and not entry.paused then place(member, clock_of_turns() + delay) end
end

-- A delivery came to nothing for good -> whether it is watched
function watch.ended(member, is_hopeless)
  local entry = entry_of(member)
  if not entry then return false end
  clock_of_turns()
  entry.missed = (entry.missed or 0) + 1
  if is_hopeless then entry.state = 'gone' end
  keep(member, entry)
  place_next(member, entry)
  return true
end

-- What becomes of a dead letter that is to be tried again.
function watch.requeued(member, record)
  if record.kind == WATCH and not watch.has(member) then record.kind = nil end
  return record
end

-- It was answered. said: '' if that tells nothing of it, else 'live hour score': 1 or 0, the ranked
-- hour and the points it had there. Points that have moved are a sign of life as well.
function watch.told(member, said)
  local entry = entry_of(member)
  if not entry then return end
  see(entry, clock_of_turns())
  local live, hour, score = string.match(said, '^(%d) (%d+) (%d+)$')
  local has_moved = live and score ~= (hour == entry.hour and entry.score or '0')
  if is_listed(member) then
    entry.state, entry.still = 'listed', 0
  elseif live == '1' or has_moved then
    entry.state, entry.still = 'live', 0
  else
    entry.state, entry.still = 'asleep', (entry.still or 0) + 1
  end
  if live then entry.hour, entry.score = hour, score end
  place_next(member, entry)
  keep(member, entry)
end

-- Whether the list has told of it already; then its turn costs nothing.
local function is_told_of(member, entry)
  if not is_free(entry) or not is_listed(member) then return false end
  local at = planned('list_at')
  if time - at >= entry.every then return false end
  see(entry, at)
  place(member, at + entry.every)
  redis.call('HSET', watched, member, cmsgpack.pack(entry))
  return true
end

-- One whose turn has come -> whether it was leased; nil: it must not join those in hand
local function take_turn(member)
  local entry = entry_of(member)
  if not entry then return false end
  if redis.call('ZSCORE', leases, member) then
    place_next(member, entry)
    return false
  end
  if is_told_of(member, entry) then return false end
  local count, was_free, due_in = #batch.taken, is_free(entry), entry.due_in
  if not admit(member, WATCH, nil, 'own') then return nil end
  if #batch.taken == count then return false end -- its tries were over
  if was_free then entry.state = 'live' end
  place_next(member, entry)
  if was_free or entry.due_in ~= due_in then keep(member, entry) end
  return true
end

local function gap()
  local planned_gap = HOUR * 1e6 / math.max(1, planned('rate'))
  return math.min(SLOWEST, planned_gap / PACE * (1 + TOLERANCE / 1000))
end

-- Where less than one a second is planned, a second sees one at most however late the last one was.
local function tolerance() return math.max(TOLERANCE, gap() - 1000) end

-- Lease the next in line although its turn has not come, for `purpose` -> whether there was one
local function borrow(purpose)
  local soon = redis.call('ZRANGEBYSCORE', turns, '-inf', time + BORROWED, 'LIMIT', 0, 8)
  for _, member in ipairs(soon) do
    local entry, count = entry_of(member), #batch.taken
    if entry and not is_free(entry) and not redis.call('ZSCORE', leases, member) then
      if admit(member, WATCH, nil, purpose) and #batch.taken > count then
        place_next(member, entry)
        redis.call('HSET', plan, 'tat', string.format('%.3f', math.max(planned('tat'), time) + gap()))
        return true
      end
    end
  end
  return false
end

-- One call for the list: with whoever is next in line, or else for the list alone.
local function look_at_list(purpose)
  if borrow(purpose) then return end
  admit('list ' .. string.format('%.0f', (redis.call('GET', receipts) or 0) + 1), WATCH, nil, purpose)
end

-- How much the endpoint's clock is ahead of Redis's, ms; nil: nobody knows.
local function offset_of_endpoint()
  local low, high = unpack(redis.call('HMGET', plan, 'offset_low', 'offset_high'))
  return low and high and (tonumber(low) + tonumber(high)) / 2
end

-- Whether `passed` is more than the looks made of it so far: then they count as made. An hour's
-- count is kept for as long as a clock that is set back could bring it again.
local function is_next(name, hour, passed)
  local packed = redis.call('HGET', plan, 'closings')
  local is_read, made = pcall(cmsgpack.unpack, packed or '')
  made = is_read and type(made) == 'table' and made or {}
  local key = name .. string.format('%.0f', hour)
  if passed <= (made[key] or 0) then return false end
  for each in pairs(made) do
    if tonumber(string.match(each, '%d+$')) < hour - 2 * HOUR then made[each] = nil end
  end
  made[key] = passed
  redis.call('HSET', plan, 'closings', cmsgpack.pack(made))
  return true
end

-- Looks at an hour's end that are due, as one -> how soon the next is, ms, -1: nobody knows
function watch.take_closing(margin)
  if not watch.is_there() or planned('paused') == 1 then return -1 end
  local offset = offset_of_endpoint()
  if not offset then return -1 end
  clock_of_turns()
  note('margin', margin)
  local there = now + offset
  local hour = math.floor(there / HOUR) * HOUR
  local left, begun, before, after = hour + HOUR - there, there - hour, 0, 0
  local wait = left + AFTER[1]
  for i, part in ipairs(BEFORE) do
    if left <= part * margin then before = i else wait = math.min(wait, left - part * margin) end
  end
  for i, ms in ipairs(planned('list_hour') < hour and begun < SOON_AFTER and AFTER or {}) do
    if begun >= ms then after = i else wait = math.min(wait, ms - begun) end
  end
  local is_due = is_next('before', hour + HOUR, before)
  if is_next('after', hour, after) or is_due then look_at_list('close') end
  return math.ceil(wait)
end

-- How long until the hour ends, ms, within the margin; nil outside it.
local function closing_in()
  local offset, margin = offset_of_endpoint(), planned('margin')
  local left = offset and HOUR - (now + offset) % HOUR
  return left and left <= margin and left or nil
end

-- What comes before the queue: a look at the list, if nobody was asked for `list_every` ms (0: never)
function watch.take_first(list_every)
  if list_every <= 0 or not watch.is_there() or planned('paused') == 1 then return end
  if clock_of_turns() - math.max(planned('list_at'), planned('asked_at')) >= list_every then
    look_at_list('list')
  end
end

-- The fleet has asked, and what comes of it shows the list.
function watch.asked()
  if watch.is_there() and #batch.taken > 0 then note('asked_at', clock_of_turns()) end
end

-- Up to `count` in the batch, oldest first -> how soon another may be taken, ms, -1: never
function watch.take(count)
  if not watch.is_there() or planned('paused') == 1 then return -1 end
  clock_of_turns()
  local closing = closing_in()
  if closing then return math.ceil(closing) end -- the pace is left to its looks
  local tat = math.max(math.min(planned('tat'), time + gap()), time - tolerance())
  local most = math.min(MOST_LOOKED_AT, count - #batch.taken + 8)
  local due = tat <= time and redis.call('ZRANGEBYSCORE', turns, '-inf', time, 'LIMIT', 0, most) or {}
  for _, member in ipairs(due) do
    if #batch.taken >= count or tat > time then break end
    local is_taken = take_turn(member)
    if is_taken == nil then break end
    if is_taken then tat = tat + gap() end
  end
  redis.call('HSET', plan, 'tat', string.format('%.3f', tat))
  local head = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2]
  return head and math.ceil(math.max(tat, tonumber(head), time) - time) or -1
end

-- (sec_uid, every ms, at most ms, steady 1 or 0, number, paused 1 or 0)... -> 2 new, 1 changed, 0
-- neither, each. What is known of it stays; a change of its interval gives it a new turn.
function operations.watch(...)
  local rest, done = {...}, {}
  clock_of_turns()
  for i = 1, #rest, 6 do
    local member, every, most = rest[i], tonumber(rest[i + 1]), tonumber(rest[i + 2])
    local wanted = {
      every = every, most = most, steady = rest[i + 3] == '1', number = tonumber(rest[i + 4]),
      paused = rest[i + 5] == '1',
    }
    local entry = entry_of(member)
    local is_new, is_changed = not entry, false
    entry = entry or {state = 'new', rate = 0}
    for name, value in pairs(wanted) do
      is_changed = is_changed or entry[name] ~= value
      entry[name] = value
    end
    if is_new then redis.call('HINCRBY', plan, 'count', 1) end
    local is_lost = not entry.paused and not redis.call('ZSCORE', turns, member)
    if is_changed or is_lost then
      if entry.paused or is_new then entry.seen = nil end -- no gap is counted over it
      keep(member, entry)
      is_there = true
      if entry.paused then redis.call('ZREM', turns, member) else place(member, slot(entry)) end
    end
    table.insert(done, is_new and 2 or is_changed and 1 or 0)
  end
  return done
end

-- sec_uid... -> how many were watched. What is in hand goes on, and leaves nothing.
function operations.unwatch(...)
  local count = 0
  for _, member in ipairs({...}) do
    local entry = entry_of(member)
    if entry then
      redis.call('HINCRBY', plan, 'rate', string.format('%.0f', 0 - entry.rate))
      redis.call('ZREM', turns, member)
      redis.call('HINCRBY', plan, 'count', -1)
      count = count + redis.call('HDEL', watched, member)
    end
  end
  return count
end

-- ms -> 1 if it is the caller's for so long to bring it up to the durable copy, 0 while it is another's
function operations.claim_mending(ms)
  if planned('mending') > now then return 0 end
  note('mending', now + tonumber(ms))
  return 1
end

-- By how much the endpoint's clock is ahead of Redis's, ms, at least and at most. What says it most
-- narrowly counts, for ten minutes, and what says that it is more: caches only make it less.
function operations.clock(low, high)
  local old_low, old_high, at = planned('offset_low'), planned('offset_high'), planned('offset_at')
  low, high = tonumber(low), tonumber(high)
  local is_narrower = high - low <= old_high - old_low and high >= old_low
  if not watch.is_there() or math.abs(now - at) < 600000 and low <= old_high and not is_narrower then
    return
  end
  note('offset_low', low)
  note('offset_high', high)
  note('offset_at', now)
end

-- when it was observed, by the endpoint's clock, and when its hour began, ms; the sec_uids of a list. Those that have left it
-- are to be asked at once; those that are on it cost nothing of their own.
function operations.listed(observed, hour, ...)
  if not watch.is_there() then return end
  observed, hour = tonumber(observed), tonumber(hour)
  -- Answers come in any order; a clock that was wrong for once must not count for long.
  if observed < planned('list_observed') and planned('list_observed') - observed < 60000 then return end
  local before, members = planned('list_at'), {...}
  local at = math.max(clock_of_turns(), before + 1)
  note('list_observed', observed)
  note('list_hour', hour)
  note('list_at', at)
  for _, member in ipairs(members) do
    redis.call('ZADD', listed, string.format('%.0f', at), member)
    local entry = entry_of(member)
    if entry and entry.state ~= 'listed' then
      entry.state, entry.still = 'listed', 0
      see(entry, at)
      entry.due_in = entry.every
      if is_free(entry) and not entry.paused then place(member, at + entry.every) end
      keep(member, entry)
    end
  end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', listed, before, before)) do
    local entry = entry_of(member)
    if entry and entry.state == 'listed' then
      see(entry, before)
      entry.state = 'live'
      keep(member, entry)
      if not entry.paused and not entry.steady then place(member, at) end
    end
  end
  redis.call('ZREMRANGEBYSCORE', listed, '-inf', '(' .. string.format('%.0f', at))
end
