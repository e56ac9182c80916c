-- What any worker has read of each place, and whether that is stored. Redis 6.2 or later.
--
-- KEYS  1 the HASH of one hour of the endpoint's clock; it may be lost or evicted at any time
-- ARGV  1 operation, then the operation's own
--
-- A place is a list of an hour as a whole, a user's standing in it, or a user's profile. Its
-- record is the newest content that anybody brought, and from when to when that was seen:
--
--   digest 16 bytes, first and last (endpoint's clock, ms), run, owner, claim, suffix
--
-- `claim` is 0 once it is stored; until then, the time (Redis's clock, ms) up to which `owner` is
-- trusted to store it. `suffix` completes the id of its document in the history.
--
-- A list is compared as a whole, so its rows are not touched while it stays as it is: they name
-- the run of the list that they stand in, and were seen for as long as that. A run is a field of
-- its own, `last` and, if one of its rows was seen otherwise elsewhere, a mark that breaks it: its
-- rows are then to be asked one by one again.

local hash = KEYS[1]
local HOLD_SECONDS = 7200
local LAYOUT = '>c16I6I6c14c4I6'
local SUFFIX_AT = 53
local NO_RUN = string.rep('\0', 14)
local UNTOLD = '-'
local BEFORE = 'b'
local NEVER = 2 ^ 48 - 1

-- What a worker is to do with a record; the same letters stand in arbiter.py.
local SAME, MINE, WAIT, NEWS, WRITE, LATE, UNSURE, ROWS = 's', 'm', 'w', 'n', 'r', 'l', 'u', 'f'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What a question changes is kept here until it is known that all of it can be answered.
local changes = {}

local function read(name)
  return changes[name] or redis.call('HGET', hash, name)
end

local function commit()
  local parts = {}
  for name, value in pairs(changes) do
    parts[#parts + 1], parts[#parts + 2] = name, value
    if #parts == 1000 then
      redis.call('HSET', hash, unpack(parts))
      parts = {}
    end
  end
  if #parts > 0 then redis.call('HSET', hash, unpack(parts)) end
end

local function load(place)
  local packed = read(place)
  if not packed then return nil end
  local digest, first, last, run, owner, claim = struct.unpack(LAYOUT, packed)
  return {digest = digest, first = first, last = last, run = run, owner = owner, claim = claim,
          suffix = string.sub(packed, SUFFIX_AT)}
end

local function save(place, record)
  changes[place] = struct.pack(LAYOUT, record.digest, record.first, record.last, record.run,
    record.owner, record.claim) .. record.suffix
end

-- Until when a run was seen, and whether it is broken.
local function run_of(run)
  local packed = run ~= NO_RUN and read(run)
  if not packed then return 0, false end
  return struct.unpack('>I6', packed), #packed > 6
end

local function save_run(run, last, is_broken)
  changes[run] = struct.pack('>I6', last) .. (is_broken and 'b' or '')
end

local function break_run(run)
  local last, is_broken = run_of(run)
  if last > 0 and not is_broken then save_run(run, last, true) end
end

local function last_of(record)
  return math.max(record.last, (run_of(record.run)))
end

local function take(place, version, t, run, asking)
  save(place, {digest = version.digest, first = t, last = t, run = run, owner = asking.owner,
               claim = now + asking.claim, suffix = version.suffix})
  return NEWS
end

-- The same content as the record's.
local function judge_same(place, record, version, t, run, asking)
  local last = last_of(record)
  local is_stored, is_ours = record.claim == 0, record.owner == asking.owner
  if not is_stored and (record.claim <= now or (is_ours and asking.again)) then
    -- Its worker went silent, or did not begin.
    take(place, version, t, run, asking)
    local taken = load(place)
    taken.first, taken.last = math.min(t, record.first), math.max(t, last)
    save(place, taken)
    return NEWS
  end
  if t < record.first then return is_stored and LATE or WRITE end
  if asking.is_list and not (is_stored or is_ours) then return WAIT end
  if t > last or (run ~= NO_RUN and run ~= record.run) then
    record.last = math.max(t, last)
    if run ~= NO_RUN then record.run = run end
    save(place, record)
  end
  if is_stored then return SAME end
  -- One record is sooner written twice than waited for.
  return is_ours and MINE or WRITE
end

-- Another content than the record's. Of two of one moment the greater digest counts as the newer, as
-- it does in the lake.
local function judge_other(place, record, version, t, run, asking)
  local last = last_of(record)
  local is_newer = t > last or (t == last and version.digest > record.digest)
  local older = record.claim == 0 and LATE or WRITE
  if t < record.first then return older end
  -- While it is on its way, more may be seen of it than its own revision will say.
  local is_ours = record.owner == asking.owner
  if record.claim > now and last > record.first and not (is_newer and is_ours) then return WAIT end
  -- Of the rows of a list that moves on, the list itself tells until when they stood.
  if last > record.first and (run == NO_RUN or not is_newer) then
    table.insert(asking.ended, {place, record.digest, record.suffix, last})
  end
  if not is_newer then return older end
  break_run(record.run)
  return take(place, version, t, run, asking)
end

local function judge(place, version, t, run, asking)
  local record = load(place)
  if not record then
    if t <= asking.floor then return UNSURE end
    return take(place, version, t, run, asking)
  end
  if record.digest == version.digest then
    return judge_same(place, record, version, t, run, asking)
  end
  return judge_other(place, record, version, t, run, asking)
end

-- Each of `packed`: place 8 bytes, digest 16, length of the suffix 1, suffix.
local function judge_all(packed, t, run, asking, codes)
  local at = 1
  while at <= #packed do
    local place, digest, length = struct.unpack('>c8c16B', string.sub(packed, at, at + 24))
    local version = {digest = digest, suffix = string.sub(packed, at + 25, at + 24 + length)}
    at = at + 25 + length
    table.insert(codes, judge(place, version, t, run, asking))
  end
end

-- Whether the list is what `record` says of it, so that its rows need not be asked.
local function judge_whole(record, t, asking)
  local last, is_broken = run_of(record.run)
  local is_ours = record.owner == asking.owner
  if t < record.first or (is_broken and t > last) then return nil end
  if record.claim > 0 and (record.claim <= now or (is_ours and asking.again)) then return nil end
  if t > last then save_run(record.run, t, false) end
  return record.claim == 0 and SAME or (is_ours and MINE or WAIT)
end

-- The list as a whole, `packed` as one of judge_all, and its rows unless it is what it was. While
-- they are untold, nothing changes if they are needed. What the list was before is kept beside it:
-- answers that left together arrive in any order around a change.
local function judge_list(packed, rows, t, asking, codes)
  local place, digest = struct.unpack('>c8c16', packed)
  local version = {digest = digest, suffix = string.sub(packed, 26)}
  local record, before = load(place), load(place .. BEFORE)
  local is_same = record and record.digest == digest
  local code
  if is_same then
    code = judge_whole(record, t, asking)
  elseif before and before.digest == digest and t < record.first then
    code = judge_whole(before, t, asking)
  end
  if not code and rows == UNTOLD then code = ROWS end
  if code then
    table.insert(codes, code)
    return
  end
  local run = place .. struct.pack('>I6', redis.call('HINCRBY', hash, 'runs', 1))
  asking.is_list = true
  if is_same and record.claim == 0 and t >= record.first then  -- its run is broken
    code = take(place, version, t, run, asking)
  else
    code = judge(place, version, t, NO_RUN, asking)
  end
  asking.is_list = false
  if code == NEWS then
    if record and not is_same then save(place .. BEFORE, record) end
    record = load(place)
    record.run = run
    save(place, record)
    save_run(run, t, false)
  else
    run = NO_RUN
    if before and t > before.first then  -- something else was seen meanwhile
      before.first = NEVER
      save(place .. BEFORE, before)
    end
  end
  table.insert(codes, code)
  if code ~= WAIT and code ~= MINE then judge_all(rows, t, run, asking, codes) end
end

local operations = {}

-- owner 4 bytes, claim ms, (time, again, list, rows, own)... -> {{codes, {{place, digest, suffix,
-- last}...}}...}: what stands in the codes is of the list, its rows unless it is the same, and the
-- anchor's own; then the contents that this ends or interrupts, and until when each was seen. A
-- question with WAIT or ROWS in its answer has changed nothing. False before `begin`.
function operations.ask(owner, claim, ...)
  local floor = redis.call('HGET', hash, 'floor')
  if not floor then return false end
  local asked, answers = {...}, {}
  for i = 1, #asked, 5 do
    local codes = {}
    local asking = {owner = owner, claim = tonumber(claim), floor = tonumber(floor),
                    again = asked[i + 1] == '1', ended = {}}
    local t = tonumber(asked[i])
    changes = {}
    if asked[i + 2] ~= '' then judge_list(asked[i + 2], asked[i + 3], t, asking, codes) end
    if codes[1] ~= ROWS then judge_all(asked[i + 4], t, NO_RUN, asking, codes) end
    local answer = table.concat(codes)
    if not (string.find(answer, WAIT, 1, true) or string.find(answer, ROWS, 1, true)) then
      commit()
    end
    table.insert(answers, {answer, asking.ended})
  end
  changes = {}
  redis.call('EXPIRE', hash, HOLD_SECONDS)
  return answers
end

-- the newest observation of this hour that the lake has, ms, or 0: of what is older than that, this
-- hash may have forgotten what was newer
function operations.begin(floor)
  redis.call('HSETNX', hash, 'floor', floor)
  redis.call('EXPIRE', hash, HOLD_SECONDS)
end

-- (place, digest, time)...: stored as of that time
function operations.stored(...)
  local told = {...}
  for i = 1, #told, 3 do
    local t = tonumber(told[i + 2])
    for _, place in ipairs({told[i], told[i] .. BEFORE}) do
      local record = load(place)
      -- An earlier stay of a content that came back says nothing of what was claimed since.
      if record and record.digest == told[i + 1] and (record.claim == 0 or t >= record.first) then
        record.claim = 0
        record.first = math.min(record.first, t)
        save(place, record)
      end
    end
  end
  commit()
end

-- owner, (place, digest)...: will not be stored by this worker
function operations.lost(owner, ...)
  local told = {...}
  for i = 1, #told, 2 do
    local record = load(told[i])
    if record and record.digest == told[i + 1] and record.claim > 0 and record.owner == owner then
      redis.call('HDEL', hash, told[i])
    end
  end
end

return operations[ARGV[1]](unpack(ARGV, 2))
