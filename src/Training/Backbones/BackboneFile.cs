using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;

namespace Pascl.Training.Backbones;

/// <summary>The file of a backbone: the model in it, and what tells it from others.</summary>
internal static class BackboneFile
{
    private const string Location = "location";

    /// <summary>Parses the file.</summary>
    /// <exception cref="InputException">There is none, it cannot be read, or it holds no ONNX model.</exception>
    public static ModelProto Read(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var model = ModelProto.Parser.ParseFrom(stream);
            return model.Graph is { Node.Count: > 0 } ? model : throw NoModel(path);
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw NoModel(path, exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The backbone {path} cannot be read: {exception.Message.TrimEnd('.')}. Name an ONNX file with --backbone.", exception);
        }
    }

    /// <summary>The SHA-256 of the file and, in the order of their names, of the files beside it that hold weights (ONNX's external data), in hexadecimal.</summary>
    /// <exception cref="InputException">One of them is missing.</exception>
    public static string Sha256(string path, ModelProto model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(path);
        foreach (var name in ExternalFiles(model))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            Append(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(string file)
        {
            try
            {
                using var stream = File.OpenRead(file);
                var buffer = new byte[1 << 20];
                while (stream.Read(buffer) is > 0 and var read)
                {
                    hash.AppendData(buffer.AsSpan(0, read));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InputException(
                    $"{file}, which the backbone {path} keeps its weights in, cannot be read: {exception.Message.TrimEnd('.')}. Put it beside the ONNX file.", exception);
            }
        }
    }

    /// <summary>The files beside the model that hold its weights, by name.</summary>
    public static IReadOnlyList<string> ExternalFiles(ModelProto model) =>
    [
        .. model.Graph.Initializer.SelectMany(tensor => tensor.ExternalData).Where(entry => entry.Key == Location).Select(entry => entry.Value)
            .Distinct().Order(StringComparer.Ordinal),
    ];

    private static InputException NoModel(string path, Exception? exception = null) =>
        new($"The backbone {path} is no ONNX model; export one (see docs/backbones.md) and name its .onnx file with --backbone.", exception!);
}
