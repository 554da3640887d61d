using System.Security.Cryptography;
using System.Text;
using TorchSharp;

namespace Pascl.Training.Networks;

/// <summary>What tells the weights of one network from those of another, in whatever file they are.</summary>
public static class WeightHash
{
    /// <summary>The SHA-256 of the names and bytes of all parameters and buffers, in ordinal order of the names, in hexadecimal digits.</summary>
    public static string Of(torch.nn.Module network)
    {
        using var scope = torch.NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in network.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}\n"));
            hash.AppendData(tensor.detach().cpu().contiguous().bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
