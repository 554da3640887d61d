using System.Text.RegularExpressions;

namespace Pascl.Kernels.Device;

/// <summary>What is changed in the text that ILGPU writes.</summary>
internal static partial class PtxText
{
    // What loads of matrices need is 16; a row of banks is 128.
    private const string DynamicAlignment = ".align 128";

    /// <summary>A module in its final form.</summary>
    /// <param name="text">A PTX module as ILGPU writes it.</param>
    public static string Finish(string text) => AlignDynamicMemory(Renumber(PtxOperands.ToRegisters(PtxSourceLines.Tidy(text))));

    /// <summary>
    /// Numbers labels and parameters in the order of the text. ILGPU numbers them in the order in which it compiles, so that the same kernel had another text,
    /// and a driver that keeps what it has assembled did it again.
    /// </summary>
    internal static string Renumber(string text)
    {
        var numbers = new Dictionary<string, string>();
        return Numbered().Replace(text, match =>
        {
            if (!numbers.TryGetValue(match.Value, out var name))
            {
                name = $"{match.Groups[1].Value}_{numbers.Count}";
                numbers.Add(match.Value, name);
            }

            return name;
        });
    }

    // Shared memory that a launch brings starts where the kernel's own ends, unless it is told otherwise.
    private static string AlignDynamicMemory(string text) => DynamicMemory().Replace(text, $"$1{DynamicAlignment}$2");

    [GeneratedRegex(@"(?<![\w%$.])(L|_[A-Za-z]\w*)_(\d+)\b")]
    private static partial Regex Numbered();

    [GeneratedRegex(@"(\.extern \.shared )\.align \d+( \.b8 __dyn_shared_alloca\b)")]
    private static partial Regex DynamicMemory();
}

/// <summary>
/// The lines of C# that instructions were made of. ILGPU writes them for a debugger: with the text of the lines, with paths of the machine that built the kernels, and in a module whose
/// mark for debuggers keeps an assembler from optimising. Of that, names and numbers of the lines remain, which change no instruction.
/// </summary>
internal static partial class PtxSourceLines
{
    /// <summary>Keeps the name of a file and the number of a line, wherever another line begins.</summary>
    /// <param name="text">A PTX module as ILGPU writes it.</param>
    public static string Tidy(string text)
    {
        var names = Files().Matches(text).ToDictionary(file => file.Groups["number"].Value, file => file.Groups["name"].Value);
        var numbers = new Dictionary<string, int>();
        var before = "";
        var tidy = Locations().Replace(Marks().Replace(text, ""), location =>
        {
            var name = names[location.Groups["file"].Value];
            numbers.TryAdd(name, numbers.Count + 1);
            var after = $"\t.loc\t{numbers[name]} {location.Groups["place"].Value}\n";
            (before, var same) = (after, after == before);
            return same ? "" : after;
        });
        return $"{tidy.TrimEnd()}\n{string.Concat(numbers.Select(file => $"\t.file\t{file.Value} \"{file.Key}\"\n"))}";
    }

    [GeneratedRegex(@"^\t\.file\t(?<number>\d+) ""(?:[^""\n]*/)?(?<name>[^""\n]*)""", RegexOptions.Multiline)]
    private static partial Regex Files();

    [GeneratedRegex(@"(?<=^\.target sm_\d+), debug|^\t\.file\t.*$|^\.section\.debug_info .*$", RegexOptions.Multiline)]
    private static partial Regex Marks();

    // Of several with nothing between, the last one holds.
    [GeneratedRegex(@"(?:\r?\n\t\.loc\t(?<file>\d+) (?<place>\d+ \d+)\r?\n(?:\t//.*\n)*)+")]
    private static partial Regex Locations();
}

/// <summary>
/// Keeps the operands of inline assembly in registers. ILGPU passes each of them through a variable of its own in local memory, and ptxas leaves these there in
/// a kernel with asynchronous copies, which is too slow for the inner loop of a matrix product.
/// </summary>
internal static partial class PtxOperands
{
    /// <summary>Replaces each variable that is only ever loaded and stored whole by a register.</summary>
    /// <param name="text">A PTX module as ILGPU writes it.</param>
    public static string ToRegisters(string text)
    {
        var lines = text.Split('\n');
        var slots = Slots(lines);
        return slots.Count == 0 ? text : string.Join('\n', lines.Select(line => Replace(line, slots)).OfType<string>());
    }

    // By the register that holds a variable's address, the variable. Whose address has any other use stays where it is.
    private static Dictionary<string, string> Slots(string[] lines)
    {
        var bits = lines.Select(line => Declaration().Match(line)).Where(match => match.Success).ToDictionary(match => match.Groups[1].Value, Bits);
        var slots = lines.Select(line => Address().Match(line))
            .Where(match => match.Success && bits.ContainsKey(match.Groups[2].Value))
            .GroupBy(match => match.Groups[1].Value)
            .Where(group => group.Count() == 1)
            .ToDictionary(group => group.Key, group => group.Single().Groups[2].Value);
        foreach (var line in lines.Where(line => !Address().IsMatch(line)))
        {
            var access = Access(line);
            foreach (var register in LongRegister().Matches(line).Select(match => match.Value).Where(slots.ContainsKey).ToArray())
            {
                if (register != access.Address || bits[slots[register]] != access.Bits)
                {
                    slots.Remove(register);
                }
            }
        }

        return slots;
    }

    private static string? Replace(string line, Dictionary<string, string> slots)
    {
        if (Declaration().Match(line) is { Success: true } declaration && slots.ContainsValue(declaration.Groups[1].Value))
        {
            return $"\t.reg .b{Bits(declaration)}\t{Name(declaration.Groups[1].Value)};";
        }

        if (Address().Match(line) is { Success: true } address && slots.ContainsKey(address.Groups[1].Value))
        {
            return null;
        }

        if (Load().Match(line) is { Success: true } load && slots.TryGetValue(load.Groups[3].Value, out var source))
        {
            return $"\tmov.{load.Groups[1].Value}\t{load.Groups[2].Value}, {Name(source)};";
        }

        return Store().Match(line) is { Success: true } store && slots.TryGetValue(store.Groups[2].Value, out var destination)
            ? $"\tmov.{store.Groups[1].Value}\t{Name(destination)}, {store.Groups[3].Value};"
            : line;
    }

    private static (string Address, string Bits) Access(string line)
    {
        var (load, store) = (Load().Match(line), Store().Match(line));
        return load.Success ? (load.Groups[3].Value, load.Groups[1].Value[1..])
            : store.Success ? (store.Groups[2].Value, store.Groups[1].Value[1..])
            : ("", "");
    }

    private static string Bits(Match declaration) => declaration.Groups[2].Value == "4" ? "32" : "64";

    private static string Name(string variable) => "%operand" + variable["__local_depot".Length..];

    [GeneratedRegex(@"^\s*\.local \.align \d+ \.b8 (__local_depot\d+)\[([48])\];")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^\s*mov\.[bu]64\s+(%rd\d+), (__local_depot\d+);")]
    private static partial Regex Address();

    [GeneratedRegex(@"^\s*ld\.local\.([bfus]\d\d)\s+(%\w+), \[(%rd\d+)\];")]
    private static partial Regex Load();

    [GeneratedRegex(@"^\s*st\.local\.([bfus]\d\d)\s+\[(%rd\d+)\], ([^\[\]]+);")]
    private static partial Regex Store();

    [GeneratedRegex(@"%rd\d+")]
    private static partial Regex LongRegister();
}
