-- The fleet's licences: state changes, each atomic. Redis 6.2 or later.
--
-- KEYS  1 HASH  fingerprint -> {state, due, at, since, used, turn, probe, tat, factor, paced,
--                               bans, throttles, refusals, rung, streak, counts}, msgpack
--               'pace'      -> {tat, turn}, msgpack
--               'circuit'   -> {open, since, wait, next, seconds {{second, failed, all}...}}
-- ARGV  1 operation, 2 the time in ms ('' for Redis's own clock), 3 the policy, JSON,
--       then the operation's own
--
-- Times are ms with fractions. `tat` is GCRA's theoretical arrival time: when the next request
-- may leave. A `turn` numbers the requests let through, fleet-wide. `since` is the last turn
-- before the latest setback: an answer to a request of an earlier turn, still in flight then,
-- tells nothing new and changes nothing.

local key = KEYS[1]
local policy = cjson.decode(ARGV[3])

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

local now = clock()

-- Slots are reserved this far ahead, so that no slot passes while a worker asks for it, and no
-- further: what a slot was granted on may have changed when it comes.
local HORIZON = 400
local PROBE_POLL = 250

local function load(field, default)
  local packed = redis.call('HGET', key, field)
  return packed and cmsgpack.unpack(packed) or default
end

local function save(field, record)
  redis.call('HSET', key, field, cmsgpack.pack(record))
end

-- One key, one expiry: a turn must not be forgotten before the records that refer to it.
local function keep()
  redis.call('PEXPIRE', key, math.ceil(policy.forget_seconds * 1000))
end

local function unknown()
  return {
    state = 'good', due = 0, at = 0, since = 0, used = 0, turn = 0, probe = 0, tat = 0,
    factor = 1, paced = false, bans = 0, throttles = 0, refusals = 0, rung = 0, streak = 0,
    counts = {},
  }
end

local function load_licence(fingerprint)
  local record = load(fingerprint, unknown())
  local is_old = now - math.max(record.at, record.used) > policy.forget_seconds * 1000
  return is_old and unknown() or record
end

local function load_pace() return load('pace', {tat = 0, turn = 0}) end

local function load_circuit()
  local closed = {open = false, since = 0, next = 0, seconds = {}}
  closed.wait = policy.probe_seconds * 1000
  return load('circuit', closed)
end

local function micros(ms)
  return ms <= 0 and '0' or string.format('%.0f', math.ceil(ms * 1000))
end

-- Take -------------------------------------------------------------------------------------------

local function interval(rate) return rate and 1000 / rate or 0 end

-- A narrowed licence's share of the fleet's rate is what is narrowed if it has no rate of its own.
local function rate_of(record, each, total, usable)
  if record.factor >= 1 then return each end
  local share = total and total / math.max(1, usable)
  local base = each and share and math.min(each, share) or each or share
  return base and base * record.factor
end

-- No slot is granted further off than the horizon: one that is has a clock that was set back, or
-- a lower rate, behind it.
local function may_leave(tat, gap) return math.max(now, math.min(tat, now + HORIZON + gap)) end

local function probing(record) return now < record.probe + policy.probe_patience_seconds * 1000 end

local function usable(record)
  if record.state == 'good' then return true end
  return record.state ~= 'refused' and record.due <= now and not probing(record)
end

-- How many may send, how many never will, and when the next may (for those that cannot now).
local function survey(records)
  local can, never, due = 0, 0, math.huge
  for _, record in ipairs(records) do
    if usable(record) then
      can = can + 1
    elseif record.state == 'refused' then
      never = never + 1
    else
      due = math.min(due, record.due > now and record.due or now + PROBE_POLL)
    end
  end
  return can, never, due
end

-- The licence that may send first; of several the least recently used. Its index, slot, interval.
local function first_in_line(records, pace, each, total, can)
  local total_gap, best, best_slot, best_gap = interval(total), nil, math.huge, 0
  for index, record in ipairs(records) do
    if usable(record) then
      local gap = interval(rate_of(record, each, total, can))
      local slot = math.max(may_leave(record.tat, gap), may_leave(pace.tat, total_gap))
      local earlier = slot < best_slot
      if earlier or (slot == best_slot and record.turn < records[best].turn) then
        best, best_slot, best_gap = index, slot, gap
      end
    end
  end
  return best, best_slot, best_gap
end

local function let_through(record, pace, slot, gap, total)
  pace.turn = pace.turn + 1
  pace.tat = slot + interval(total)
  record.turn, record.tat, record.used = pace.turn, slot + gap, now
  record.paced = gap > 0 or total ~= nil
  if record.state ~= 'good' then record.probe = now end
end

local operations = {}

-- rate of each licence, rate in all (per second, 0 for none), how many, how many more if nothing
-- limits them, fingerprint...
--   -> 'why wait now (index wait turn)...', times in us
-- One string: redis-py takes longer to read many numbers than all the rest does.
-- why: granted, for as many as asked; else what keeps the rest: pace, cooling, refused, or circuit
-- (as long as it is open); and how long to wait before asking for it
function operations.take(each, total, count, spare, ...)
  local fingerprints, records, touched, granted = {...}, {}, {}, {}
  each, total, count = tonumber(each), tonumber(total), tonumber(count)
  each, total = each > 0 and each or nil, total > 0 and total or nil
  for index, fingerprint in ipairs(fingerprints) do records[index] = load_licence(fingerprint) end
  local pace, circuit, why, wait = load_pace(), load_circuit(), 'granted', 0
  local can, never, due = survey(records)
  for nth = 1, count + tonumber(spare) do
    if never == #records then why = 'refused' break end
    if can == 0 then why, wait = 'cooling', due - now break end
    if circuit.open and now < circuit.next then why, wait = 'circuit', circuit.next - now break end
    local index, slot, gap = first_in_line(records, pace, each, total, can)
    local record = records[index]
    if slot > now + HORIZON then why, wait = 'pace', slot - now - HORIZON / 2 break end
    if nth > count and (gap > 0 or total or record.state ~= 'good') then break end
    let_through(record, pace, slot, gap, total)
    if record.state ~= 'good' then can, never, due = survey(records) end
    if circuit.open then circuit.next = now + circuit.wait end
    touched[index] = true
    granted[nth] = (index - 1) .. ' ' .. micros(slot - now) .. ' ' .. pace.turn
  end
  for index in pairs(touched) do save(fingerprints[index], records[index]) end
  if #granted > 0 then
    save('pace', pace)
    if circuit.open then save('circuit', circuit) end
    keep()
  end
  if circuit.open and why ~= 'refused' then why = 'circuit' end
  if #granted >= count and not circuit.open then why = 'granted' end
  return table.concat({why, micros(wait), micros(now), unpack(granted)}, ' ')
end

-- Report -----------------------------------------------------------------------------------------

local pace, changes

local function changed(who, state, due, outcome)
  for _, part in ipairs({who, state, string.format('%.0f', due), outcome}) do
    table.insert(changes, part)
  end
end

local function set_aside(who, record, state, ms, outcome)
  record.state, record.due, record.at, record.since = state, now + ms, now, pace.turn
  record.bans, record.streak, record.probe = 0, 0, 0
  changed(who, state, state == 'refused' and 0 or record.due, outcome)
end

local function cool(who, record, outcome)
  local seconds = policy.cooldown_seconds * 2 ^ math.min(record.rung, 30)
  record.rung = record.rung + 1
  set_aside(who, record, 'cooling', math.min(seconds, policy.longest_cooldown_seconds) * 1000,
    outcome)
end

local judge = {}

function judge.ok(who, record, outcome)
  if record.state ~= 'good' then
    record.state, record.due, record.probe = 'good', 0, 0
    changed(who, 'good', 0, outcome)
  end
  record.bans, record.throttles, record.refusals = 0, 0, 0
  record.factor = math.min(1, record.factor + policy.widening)
  record.streak = record.streak + 1
  -- One good answer between two bans is no recovery.
  if record.streak >= policy.steady_answers then record.rung = 0 end
end

judge.answered = judge.ok

judge['soft-ban'] = function(who, record, outcome)
  record.bans, record.streak = record.bans + 1, 0
  if record.state ~= 'good' or record.bans >= policy.soft_bans then cool(who, record, outcome) end
end

function judge.throttled(who, record, outcome, retry)
  record.factor = math.max(policy.narrowest, record.factor / 2)
  record.throttles, record.streak = record.throttles + 1, 0
  if retry >= 0 then
    local ms = math.min(retry, policy.longest_cooldown_seconds * 1000)
    set_aside(who, record, 'cooling', ms, outcome)
  elseif not record.paced or record.state ~= 'good' then
    local ms = 1000 * 2 ^ math.min(record.throttles - 1, 6)
    set_aside(who, record, 'cooling', ms, outcome)
  else
    record.since = pace.turn -- what was in flight met the same limit: halved once, not for each
  end
end

judge['out-of-quota'] = function(who, record, outcome)
  set_aside(who, record, 'out-of-quota', policy.quota_seconds * 1000, outcome)
end

function judge.refused(who, record, outcome)
  record.refusals = record.refusals + 1
  local state = record.refusals >= policy.refusals and 'refused' or 'cooling'
  set_aside(who, record, state, policy.refusal_seconds * 1000, outcome)
end

-- Neither is the licence's doing: a probe that met it is free to be made again.
function judge.trouble(_, record) record.probe = 0 end
judge.unsent, judge.alike = judge.trouble, judge.trouble

local FAILED = {trouble = true, alike = true, ['soft-ban'] = true, throttled = true}

local function switch(circuit, open, outcome)
  circuit.open, circuit.seconds, circuit.since = open, {}, pace.turn
  circuit.wait = policy.probe_seconds * 1000
  circuit.next = open and now + circuit.wait or 0
  changed('circuit', open and 'open' or 'closed', circuit.next, outcome)
end

local function probed(circuit, outcome)
  if outcome == 'ok' or outcome == 'answered' then
    switch(circuit, false, outcome)
  elseif outcome == 'unsent' then
    circuit.next = now
  elseif FAILED[outcome] then
    circuit.wait = math.min(circuit.wait * 2, policy.longest_probe_seconds * 1000)
    circuit.next = now + circuit.wait
  end
end

-- The answers of the last seconds, those of one second together: {failed, all}.
local function recent(circuit)
  local seconds, failed, all = {}, 0, 0
  for _, second in ipairs(circuit.seconds) do
    if second[1] > now / 1000 - policy.window_seconds and second[1] <= now / 1000 then
      table.insert(seconds, second)
      failed, all = failed + second[2], all + second[3]
    end
  end
  circuit.seconds = seconds
  return failed, all
end

local function count(circuit, outcome)
  recent(circuit)
  local this, last = math.floor(now / 1000), circuit.seconds[#circuit.seconds]
  if not last or last[1] ~= this then
    last = {this, 0, 0}
    table.insert(circuit.seconds, last)
  end
  last[2], last[3] = last[2] + (FAILED[outcome] and 1 or 0), last[3] + 1
  local failed, all = recent(circuit)
  local is_share = all >= policy.least_answers and failed >= policy.failing_share * all
  -- One worker finds that nobody is answered: at any pace, unless another worker was.
  if is_share or outcome == 'alike' and failed == all then
    switch(circuit, true, outcome)
  end
end

-- (fingerprint, outcome, turn, retry after ms or -1)... -> (who, state, until ms, outcome)...
function operations.report(...)
  local rest, records, circuit = {...}, {}, load_circuit()
  pace, changes = load_pace(), {}
  for i = 1, #rest, 4 do
    local who, outcome, turn = rest[i], rest[i + 1], tonumber(rest[i + 2])
    local record = records[who] or load_licence(who)
    records[who] = record
    if outcome ~= 'unsent' then
      record.counts[outcome], record.used = (record.counts[outcome] or 0) + 1, now
    end
    if turn > circuit.since and circuit.open then
      probed(circuit, outcome)
    elseif turn > circuit.since and (outcome == 'ok' or FAILED[outcome]) then
      count(circuit, outcome)
    end
    if turn > record.since then judge[outcome](who, record, outcome, tonumber(rest[i + 3])) end
  end
  for who, record in pairs(records) do save(who, record) end
  save('circuit', circuit)
  keep()
  return changes
end

-- how long ago ms, fingerprint... -> how many refused ones may be asked once more
function operations.reconsider(ago, ...)
  local reconsidered = 0
  for _, fingerprint in ipairs({...}) do
    local record = load_licence(fingerprint)
    if record.state == 'refused' and now - record.at >= tonumber(ago) then
      record.state, record.due = 'cooling', now
      save(fingerprint, record)
      reconsidered = reconsidered + 1
    end
  end
  return reconsidered
end

-- fingerprint... -> JSON {circuit, licences [record...]}
function operations.states(...)
  local circuit, licences = load_circuit(), {}
  circuit.failed, circuit.answers = recent(circuit)
  for index, fingerprint in ipairs({...}) do licences[index] = load_licence(fingerprint) end
  return cjson.encode({circuit = circuit, licences = licences})
end

return operations[ARGV[1]](unpack(ARGV, 4))
