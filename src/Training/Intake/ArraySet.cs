using System.Globalization;
using System.Security.Cryptography;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;

namespace Pascl.Training.Intake;

/// <summary>What arrays mean by their names. Names of other programs: <c>feat_list</c> and <c>label_list</c> of OpenOOD, <c>embedding</c> and <c>label</c> of pytorch-ood.</summary>
internal static class ArrayNames
{
    public static readonly string[] Features = ["features", "feature", "feats", "feat", "feat_list", "embedding", "embeddings"];
    public static readonly string[] Logits = ["logits", "logit", "logits_list", "logit_list"];
    public static readonly string[] Labels = ["labels", "label", "label_list", "targets", "target"];
    public static readonly string[] Weight = ["weight", "classifier.weight", "fc.weight", "head.weight", "linear.weight", "classifier_weight"];
    public static readonly string[] Bias = ["bias", "classifier.bias", "fc.bias", "head.bias", "linear.bias", "classifier_bias"];

    /// <summary>The array of a meaning; null where there is none.</summary>
    /// <exception cref="InputException">There are two.</exception>
    public static string? Find(ArrayFile file, string[] names) => file.Arrays.Keys.Where(names.Contains).Order(StringComparer.Ordinal).ToArray() switch
    {
        [] => null,
        [var only] => only,
        var several => throw new InputException($"{file.Path} holds {string.Join(" and ", several)}, which mean the same; keep one."),
    };
}

/// <summary>What a file says about a set of images.</summary>
/// <param name="Name">Name of the set.</param>
/// <param name="Path">The file, for messages.</param>
/// <param name="Features">(N, d), or null.</param>
/// <param name="Logits">(N, C), or null.</param>
/// <param name="Labels">N, any negative number for no class; null where there are none.</param>
/// <param name="Classifier">The weights that the file has too, or null.</param>
/// <param name="Files">The files on the disk.</param>
internal sealed record ArraySet(
    string Name, string Path, INumberRows? Features, INumberRows? Logits, int[]? Labels, LinearClassifier? Classifier, IReadOnlyList<InputFile> Files)
{
    /// <summary>The images themselves, where they are at hand.</summary>
    public ImageSet? Images { get; init; }

    /// <summary>Images.</summary>
    public int Count => Features?.Count ?? Logits?.Count ?? Labels!.Length;

    /// <summary>Reads a set.</summary>
    /// <param name="name">Name of the set.</param>
    /// <param name="path">See <see cref="ArrayFile.Open"/>.</param>
    /// <exception cref="InputException">Something is missing, of another shape or type, or not finite.</exception>
    public static ArraySet Read(string name, string path)
    {
        using var file = ArrayFile.Open(path);
        var features = RowsOf(file, ArrayNames.Features);
        var logits = RowsOf(file, ArrayNames.Logits);
        var labels = LabelsOf(file);
        if (features is null && logits is null && labels is null)
        {
            throw new InputException(
                $"{path} holds {(file.Arrays.Count == 0 ? "nothing" : string.Join(", ", file.Arrays.Keys.Take(10)))}; expected features, logits and labels, as far as there are any"
                + (file.Arrays.ContainsKey("conf") ? ". OpenOOD's files of scores hold finished scores alone, of which no other score can be made." : "."));
        }

        (string What, int Count)[] counts = [.. new[] { ("features", features?.Count), ("logits", logits?.Count), ("labels", labels?.Length) }
            .Where(part => part.Item2 is not null).Select(part => (part.Item1, part.Item2!.Value))];
        if (counts.FirstOrDefault(part => part.Count != counts[0].Count) is { What: not null } other)
        {
            throw new InputException($"{path} has {counts[0].Count:N0} rows of {counts[0].What} and {other.Count:N0} of {other.What}; there must be one of each for every image.");
        }

        if (counts[0].Count == 0)
        {
            throw new InputException($"{path} has no rows; a set needs at least one.");
        }

        return new ArraySet(name, path, features, logits, labels, ClassifierOf(file), Describe(name, file, counts[0].Count));
    }

    /// <summary>The weights of a classifier in a file that has nothing else to be used: a file of weights, of which the last layer is taken.</summary>
    /// <exception cref="InputException">It has none.</exception>
    public static (LinearClassifier Classifier, IReadOnlyList<InputFile> Files) ReadClassifier(string path)
    {
        using var file = ArrayFile.Open(path);
        var classifier = ClassifierOf(file) ?? throw new InputException(
            $"{path} holds {string.Join(", ", file.Arrays.Keys.Take(10))}{(file.Arrays.Count > 10 ? ", ..." : "")}, and no classifier; expected weight (C, d), and perhaps bias (C), "
            + $"by one of the names {string.Join(", ", ArrayNames.Weight)}.");
        return (classifier, Describe("classifier", file, null));
    }

    private static INumberRows? RowsOf(ArrayFile file, string[] names)
    {
        if (ArrayNames.Find(file, names) is not { } name)
        {
            return null;
        }

        var array = file.Arrays[name];
        if (!array.IsFloat || array.AsRows is not ( >= 0, > 0))
        {
            throw new InputException($"{name} in {file.Path} is {array}; expected float16, float32 or float64 of shape (images, {(names == ArrayNames.Logits ? "classes" : "features")}).");
        }

        var rows = file.Rows(name);
        for (var row = 0; row < rows.Count; row++)
        {
            if (IndexOfNonFinite(rows[row]) is >= 0 and var column)
            {
                throw new InputException(
                    $"{name} in {file.Path} has {rows[row][column].ToString(CultureInfo.InvariantCulture)} in row {row}, column {column}; every number must be finite"
                    + (array.Type == "f8" ? ", also as float32." : "."));
            }
        }

        return rows;
    }

    private static int IndexOfNonFinite(ReadOnlySpan<float> row)
    {
        for (var i = 0; i < row.Length; i++)
        {
            if (!float.IsFinite(row[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private static int[]? LabelsOf(ArrayFile file)
    {
        if (ArrayNames.Find(file, ArrayNames.Labels) is not { } name)
        {
            return null;
        }

        var array = file.Arrays[name];
        if (!array.IsInteger || array.Shape.Skip(1).Any(length => length != 1) || array.Shape.Count == 0)
        {
            throw new InputException($"{name} in {file.Path} is {array}; expected whole numbers of shape (images), from 0, and negative ones for images of no class.");
        }

        return Array.ConvertAll(file.Integers(name), label => label < 0 ? LabelledSet.NoClass : (int)Math.Min(label, int.MaxValue));
    }

    private static LinearClassifier? ClassifierOf(ArrayFile file)
    {
        if (ArrayNames.Find(file, ArrayNames.Weight) is not { } name)
        {
            return null;
        }

        var (array, biasName) = (file.Arrays[name], ArrayNames.Find(file, ArrayNames.Bias));
        if (!array.IsFloat || array.Shape is not [> 1 and <= int.MaxValue, > 0 and <= int.MaxValue])
        {
            throw new InputException($"{name} in {file.Path} is {array}; expected the weights of a linear classifier, float16, float32 or float64 of shape (classes, features).");
        }

        var classes = (int)array.Shape[0];
        if (biasName is not null && (!file.Arrays[biasName].IsFloat || !file.Arrays[biasName].Shape.SequenceEqual([classes])))
        {
            throw new InputException($"{biasName} in {file.Path} is {file.Arrays[biasName]}, but {name} is {array}; expected one bias for every class, of shape ({classes}).");
        }

        var weight = Flat(file.Rows(name));
        var bias = biasName is null ? new float[classes] : file.Vector(biasName);
        return Array.TrueForAll(weight, float.IsFinite) && Array.TrueForAll(bias, float.IsFinite)
            ? new LinearClassifier(weight, bias)
            : throw new InputException($"{name} in {file.Path}, or its bias, holds numbers that are not finite; a classifier needs finite ones.");
    }

    private static float[] Flat(INumberRows rows)
    {
        var values = new float[rows.Count * rows.Width];
        for (var row = 0; row < rows.Count; row++)
        {
            rows[row].CopyTo(values.AsSpan(row * rows.Width));
        }

        return values;
    }

    private static InputFile[] Describe(string set, ArrayFile file, int? images)
    {
        string[] meant = [.. ArrayNames.Features, .. ArrayNames.Logits, .. ArrayNames.Labels, .. ArrayNames.Weight, .. ArrayNames.Bias];
        var contents = string.Join(", ", file.Arrays.Where(array => meant.Contains(array.Key)).OrderBy(array => array.Key, StringComparer.Ordinal).Select(array => $"{array.Key} {array.Value}"));
        return [.. file.Files.Select(path => Hashed(set, path, images, contents))];
    }

    /// <summary>A file with its hash.</summary>
    public static InputFile Hashed(string set, string path, int? images, string contents)
    {
        using var stream = File.OpenRead(path);
        return new InputFile(set, System.IO.Path.GetFileName(path), stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)), images, contents);
    }
}
